package config

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// withSecrets is a file with a secret in every place that takes one.
func withSecrets(t *testing.T) *File {
	t.Helper()
	f, _, err := Parse("scimsync.yaml", []byte(`
server: {token: "${env:S}", tokens: [{name: a, token: "${env:S}-2", role: admin}]}
temporal: {apiKey: "${env:S}"}
notifications:
  smtp: {address: "localhost:25", from: a@example.com, username: me, password: "${env:S}"}
  webhooks: [{url: "https://example.com", secret: "${env:S}"}]
jobs:
  - id: a
    source: {type: msgraph, clientSecret: "${env:S}", certificate: {path: c.pem, password: "${env:S}"}}
    target: {type: scim, auth: {type: bearer, token: "${env:S}"}}
`), env(map[string]string{"S": secretWord}))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSecretsNeverPrint(t *testing.T) {
	f := withSecrets(t)
	for name, v := range map[string]any{
		"secret": f.Server.Token, "pointer": &f.Server.Token, "server": f.Server, "file": f, "value": *f, "jobs": f.Jobs,
		"block": f.Jobs[0].Source, "smtp": f.Notifications.SMTP, "hidden": struct{ s Secret }{f.Server.Token},
		"hidden block": struct{ b Block }{f.Jobs[0].Source}, "map": map[string]any{"x": f.Temporal.APIKey},
		"error": fmt.Errorf("oops: %v", f.Temporal.APIKey),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			check(t, name+" with "+verb, fmt.Sprintf(verb, v))
		}
		check(t, name+" with Sprint", fmt.Sprint(v))
		for encoder, encode := range map[string]func(any) ([]byte, error){
			"JSON": json.Marshal, "YAML": yaml.Marshal, "XML": xml.Marshal, "gob": encodeGob, "slog": encodeSlog, "zap": encodeZap,
		} {
			out, _ := encode(v) // some cannot encode it, which is fine as well
			check(t, name+" with "+encoder, string(out))
		}
	}
}

func check(t *testing.T, what, got string) {
	t.Helper()
	if strings.Contains(got, secretWord) || strings.Contains(got, fmt.Sprintf("%x", secretWord)) {
		t.Errorf("%s shows the secret: %s", what, got)
	}
}

func encodeGob(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func encodeSlog(v any) ([]byte, error) {
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v)
	return b.Bytes(), nil
}

// encodeZap logs v by reflection, as zap.Any does with a struct it does not know.
func encodeZap(v any) ([]byte, error) {
	var b bytes.Buffer
	for _, e := range []zapcore.Encoder{zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.NewConsoleEncoder(zapcore.EncoderConfig{})} {
		zap.New(zapcore.NewCore(e, zapcore.AddSync(&b), zap.DebugLevel)).Info("", zap.Any("any", v), zap.Reflect("reflect", v))
	}
	return b.Bytes(), nil
}

// The checks above would pass if secrets were lost.
func TestSecretsArrive(t *testing.T) {
	f := withSecrets(t)
	var source graphConfig
	var target scimConfig
	if err := f.Jobs[0].Source.Decode(&source); err != nil {
		t.Fatal(err)
	}
	if err := f.Jobs[0].Target.Decode(&target); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Secret{
		"server.token": f.Server.Token, "tokens": f.Server.Tokens[0].Token, "apiKey": f.Temporal.APIKey,
		"password": f.Notifications.SMTP.Password, "webhook": f.Notifications.Webhooks[0].Secret,
		"clientSecret": source.ClientSecret, "certificate": source.Certificate.Password, "auth": target.Auth.Token,
	} {
		if strings.TrimSuffix(s.Reveal(), "-2") != secretWord || s.Empty() {
			t.Errorf("%s is lost", name)
		}
	}
	if s := (Secret{}); !s.Empty() || s.Reveal() != "" {
		t.Errorf("the zero secret is not empty")
	}
}
