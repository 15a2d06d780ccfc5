package engine

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestSecretNeverPrints tries every way in which a struct with a secret in it gets printed by mistake.
func TestSecretNeverPrints(t *testing.T) {
	const value = "s3cr3t-value"
	s := NewSecret(value)
	holder := struct {
		Name    string
		Token   Secret
		Pointer *Secret
		List    []Secret
		Map     map[string]Secret
	}{"job", s, &s, []Secret{s}, map[string]Secret{"k": s}}

	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%p", "%T"} {
		printed = append(printed, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder))
	}
	printed = append(printed, fmt.Errorf("wrap: %w: %v", errors.New("x"), s).Error())
	for name, encode := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "yaml": yaml.Marshal, "xml": func(any) ([]byte, error) { return xml.Marshal(s) },
	} {
		b, err := encode(holder)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		printed = append(printed, string(b))
	}
	var text bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "secret", s, "holder", holder)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("m", "secret", s, "holder", holder)
	core, logs := observer.New(zapcore.DebugLevel)
	lg := zap.New(core)
	lg.Info("m", zap.Any("secret", s), zap.Any("holder", holder), zap.Stringer("stringer", s), zap.Reflect("reflect", holder))
	lg.Sugar().Infow("m", "secret", s, "holder", holder)
	enc := zapcore.NewJSONEncoder(zapcore.EncoderConfig{})
	for _, e := range logs.All() {
		b, err := enc.EncodeEntry(e.Entry, e.Context)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b.Bytes())
	}
	if err := gob.NewEncoder(&text).Encode(holder); err != nil && strings.Contains(err.Error(), value) {
		t.Error("gob: the error has the secret")
	}
	printed = append(printed, text.String())
	for _, p := range printed {
		if strings.Contains(p, value) || strings.Contains(p, fmt.Sprintf("%x", value)) {
			t.Errorf("the secret was printed: %s", p)
		}
	}
	if !strings.Contains(text.String(), redacted) {
		t.Error("nothing was printed at all: the test shows nothing")
	}
}

func TestSecretReveals(t *testing.T) {
	var none Secret
	if !none.Empty() || none.Reveal() != "" {
		t.Error("the zero Secret is not empty")
	}
	var s Secret
	if err := s.UnmarshalText([]byte("abc")); err != nil || s.Reveal() != "abc" || s.Empty() {
		t.Errorf("got %q, %v", s.Reveal(), err)
	}
}
