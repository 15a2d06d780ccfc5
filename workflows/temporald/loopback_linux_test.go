//go:build !noembed

package temporald

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestLoopbackOnly lists the sockets of this process while a server runs in an environment that
// asks for more. It does not run beside the others, whose environment it would change.
func TestLoopbackOnly(t *testing.T) {
	t.Setenv("LOCALHOST_IP", "0.0.0.0")
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf") // which the server would refuse

	before := len(sockets(t))
	s := startServer(t, Options{Dir: t.TempDir()})
	dial(t, s, "")
	found := sockets(t)
	if len(found) <= before {
		t.Fatalf("%d sockets before, %d with a server: the test sees nothing", before, len(found))
	}
	for _, so := range found {
		if so.listening && so.local.Addr().String() != loopback {
			t.Errorf("listens on %v", so.local)
		}
		if !so.listening && !so.remote.Addr().Unmap().IsLoopback() {
			t.Errorf("talks to %v", so.remote)
		}
	}
}

type socket struct {
	local, remote netip.AddrPort
	listening     bool
}

// sockets reads the TCP sockets that this process has open (proc(5), /proc/net/tcp).
func sockets(t *testing.T) []socket {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	ours := make(map[string]bool)
	for _, l := range links {
		if target, err := os.Readlink(l); err == nil { // gone meanwhile: not ours any more
			ours[target] = true
		}
	}
	var out []socket
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Scan() // heading
		for lines.Scan() {
			col := strings.Fields(lines.Text())
			if ours["socket:["+col[9]+"]"] {
				out = append(out, socket{procAddr(t, col[1]), procAddr(t, col[2]), col[3] == "0A"})
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// procAddr decodes an address, written as 32-bit words of little-endian bytes.
func procAddr(t *testing.T, s string) netip.AddrPort {
	t.Helper()
	hexIP, hexPort, _ := strings.Cut(s, ":")
	port, err := strconv.ParseUint(hexPort, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	var ip []byte
	for i := 0; i < len(hexIP); i += 8 {
		var w [4]byte
		if _, err := fmt.Sscanf(hexIP[i:i+8], "%2x%2x%2x%2x", &w[3], &w[2], &w[1], &w[0]); err != nil {
			t.Fatal(err)
		}
		ip = append(ip, w[:]...)
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		t.Fatalf("address %s", s)
	}
	return netip.AddrPortFrom(addr, uint16(port))
}
