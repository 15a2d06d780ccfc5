//go:build noembed

package temporald

import (
	"errors"
	"strings"
	"testing"
)

func TestStartWithoutServer(t *testing.T) {
	s, err := Start(t.Context(), Options{Dir: t.TempDir()})
	if s != nil || !errors.Is(err, ErrNotEmbedded) {
		t.Fatalf("Start = %v, %v; want nil, ErrNotEmbedded", s, err)
	}
	for _, want := range []string{"without the embedded", "temporal.address"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if Embedded || Version() != "" {
		t.Errorf("Embedded = %v, Version = %q; want false and none", Embedded, Version())
	}
}
