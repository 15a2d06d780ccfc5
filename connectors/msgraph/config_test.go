package msgraph

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/engine"
)

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	ok := Config{TenantID: "contoso.example", ClientID: appID, ClientSecret: engine.NewSecret("s3cret"), ServicePrincipalID: appID, Scope: engine.ScopeAssigned}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   []string // keys, in order
	}{
		{"complete", func(*Config) {}, nil},
		{"nothing", func(c *Config) { *c = Config{} }, []string{"clientSecret", "servicePrincipalId"}},
		{"nothing in scope all", func(c *Config) { *c = Config{Scope: engine.ScopeAll} }, []string{"clientSecret"}},
		{"two ways to sign in", func(c *Config) { c.ManagedIdentity = &ManagedIdentity{} }, []string{"managedIdentity"}},
		{"secret without ids", func(c *Config) { c.TenantID, c.ClientID = "", "" }, []string{"tenantId", "clientId"}},
		{"certificate without path", func(c *Config) { c.ClientSecret, c.Certificate = engine.Secret{}, &Certificate{} }, []string{"certificate.path"}},
		{"bad ids", func(c *Config) { c.TenantID, c.ClientID, c.ServicePrincipalID = "a b", "x", "Webex" }, []string{"tenantId", "clientId", "servicePrincipalId"}},
		{"both applications", func(c *Config) { c.AppID = appID }, []string{"appId"}},
		{"unknown cloud", func(c *Config) { c.Cloud = "mars" }, []string{"cloud"}},
		{"unknown scope", func(c *Config) { c.Scope = "some" }, []string{"scope"}},
		{"http elsewhere", func(c *Config) { c.Endpoint = "http://graph.example/v1.0" }, []string{"endpoint"}},
		{"http here with a secret", func(c *Config) { c.Endpoint = "http://127.0.0.1:9000/v1.0" }, []string{"endpoint"}},
		{"no address", func(c *Config) { c.Endpoint = "graph" }, []string{"endpoint"}},
		{"an endpoint with a query", func(c *Config) { c.Endpoint = "https://graph.example/v1.0?x=1" }, []string{"endpoint"}},
		{"attributes", func(c *Config) { c.Select.Users, c.Select.Groups = []string{"skills", "a b"}, []string{"x/y"} },
			[]string{"mappings.users", "mappings.users", "mappings.groups"}},
	} {
		cfg := ok
		c.change(&cfg)
		_, err := New(cfg, nil, nil)
		var got []string
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				key, rest, _ := strings.Cut(line, ": ")
				got = append(got, key)
				if !strings.ContainsAny(rest, ";,") {
					t.Errorf("%s: no remedy in %q", c.name, line)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: the secret shows", c.name)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %v, want %v (%v)", c.name, got, c.want, err)
		}
	}
}

func TestCloudsFixHostAndScope(t *testing.T) { // GS-CL-1, GS-AU-1
	t.Parallel()
	for name, want := range map[string][2]string{
		"":         {"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/.default"},
		"global":   {"https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/.default"},
		"usGovL4":  {"https://graph.microsoft.us/v1.0", "https://graph.microsoft.us/.default"},
		"usGovDoD": {"https://dod-graph.microsoft.us/v1.0", "https://dod-graph.microsoft.us/.default"},
		"china":    {"https://microsoftgraph.chinacloudapi.cn/v1.0", "https://microsoftgraph.chinacloudapi.cn/.default"},
	} {
		src, err := New(Config{Cloud: name, TenantID: "contoso.example", ClientID: appID, ClientSecret: engine.NewSecret("s3cret"), Scope: engine.ScopeAll}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{src.root.String(), src.auth.scope}; got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
