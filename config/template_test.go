package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/mapping"
)

func mustTemplate(t *testing.T, app string) string {
	t.Helper()
	text, err := Template(TemplateOptions{Source: "msgraph", Target: "scim", App: app})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What `init` writes loads as it is, and says what is in force when it is left out.
func TestTemplateIsTheDefault(t *testing.T) {
	for _, app := range []string{"", "webex", "aws-iic", "123", "null"} {
		t.Run(app, func(t *testing.T) {
			got := mustParse(t, mustTemplate(t, app))
			id := "app"
			target := ""
			if app != "" {
				id, target = "'"+app+"'", ", app: '"+app+"'"
			}
			want := mustParse(t, "jobs: [{id: "+id+", source: {type: msgraph}, target: {type: scim"+target+"}}]")
			want.Server.Tokens, want.Notifications.Webhooks, want.Jobs[0].Notify.Email = []Token{}, []Webhook{}, []string{}
			if diff := cmp.Diff(want, got, compare); diff != "" {
				t.Errorf("(-default +template):\n%s", diff)
			}
			if got.Jobs[0].Mapping.Fingerprint() != want.Jobs[0].Mapping.Fingerprint() {
				t.Errorf("the mapping differs from the default")
			}
			if line, _ := got.Jobs[0].Source.Position("tenantId"); line < 10 {
				t.Errorf("tenantId is not there")
			}
		})
	}
}

// commented are keys that are switched off by a # right before them.
var commented = regexp.MustCompile(`(?m)^( *)#([a-zA-Z]+: )`)

// The keys that are commented out are right as well.
func TestTemplateUncommented(t *testing.T) {
	text := commented.ReplaceAllString(mustTemplate(t, ""), "$1$2")
	f := mustParse(t, text)
	if f.Notifications.SMTP == nil || f.Jobs[0].Deletions.Threshold == nil || f.Server.Token.Empty() || f.Temporal.APIKey.Empty() {
		t.Errorf("not all keys were switched on:\n%s", text)
	}
}

// Every key is in the template, so that it can be found there.
func TestTemplateHasEveryKey(t *testing.T) {
	text := mustTemplate(t, "")
	var walk func(t reflect.Type, path string) []string
	walk = func(typ reflect.Type, path string) (missing []string) {
		switch {
		case typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice:
			return walk(typ.Elem(), path)
		case typ.Kind() != reflect.Struct || isSecret(typ) || typ == blockType:
			return nil
		}
		for _, f := range fields(typ) {
			if !regexp.MustCompile(`\b` + f.name + `: `).MatchString(strings.ReplaceAll(text, ":\n", ": \n")) {
				missing = append(missing, join(path, f.name))
			}
			missing = append(missing, walk(typ.Field(f.index).Type, join(path, f.name))...)
		}
		return missing
	}
	if missing := walk(reflect.TypeFor[File](), ""); len(missing) > 0 {
		t.Errorf("not in the template: %v", missing)
	}
	// The keys of the contract's blocks.
	for _, key := range strings.Fields("tenantId clientId clientSecret certificate managedIdentity workloadIdentity accessToken cloud " +
		"servicePrincipalId appId endpoint baseUrl profile app auth token expires concurrency rate") {
		if !strings.Contains(text, key+":") {
			t.Errorf("not in the template: %s", key)
		}
	}
}

// Lines of the template fit into an editor.
func TestTemplateLines(t *testing.T) {
	for line := range strings.Lines(mustTemplate(t, "webex")) {
		if n := len([]rune(line)); n > 145 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

func TestTemplateMapping(t *testing.T) {
	text := mustTemplate(t, "webex")
	for _, a := range mapping.WebexDefault().Users.Attributes {
		if !strings.Contains(text, "target: "+a.Target.String()) {
			t.Errorf("not in the template: %s", a.Target)
		}
	}
	if !strings.Contains(text, "https://api.ciscospark.com/v1/scim/") || !strings.Contains(text, "${env:WEBEX_TOKEN}") {
		t.Errorf("the blanks of webex are not filled in")
	}
}

func TestTemplateErrors(t *testing.T) {
	for _, c := range []struct {
		o    TemplateOptions
		want string
	}{
		{TemplateOptions{Source: "ldap"}, `no template for a source of type "ldap"; use msgraph`},
		{TemplateOptions{Target: "graph"}, `no template for a target of type "graph"; use scim`},
		{TemplateOptions{App: "We bex"}, `"We bex" is no name of an application`},
	} {
		if text, err := Template(c.o); err == nil || !strings.Contains(err.Error(), c.want) || text != "" {
			t.Errorf("%+v: got %v, want %s", c.o, err, c.want)
		}
	}
}
