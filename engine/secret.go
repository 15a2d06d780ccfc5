package engine

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Secret is a token, password or key. It prints as "[redacted]" for every verb and encoder, so
// that it can stand in a struct that gets logged, dumped or marshalled by mistake. Only [Secret.Reveal]
// gives the value away; call it where the value goes on the wire and nowhere else.
//
// The value hangs behind a pointer, because fmt, reflection-based dumpers and encoders print the
// fields of a struct that they cannot call a method on, but print an unexported pointer as an address.
type Secret struct{ value *string }

const redacted = "[redacted]"

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{value: &s} }

// Reveal returns the secret itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty reports whether there is no secret.
func (s Secret) Empty() bool { return s.Reveal() == "" }

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, redacted) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// UnmarshalText takes a secret from a configuration file, the one place where it is written down.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// MarshalYAML keeps YAML encoders from looking inside.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }
