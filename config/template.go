package config

import (
	"cmp"
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/scimsync/scimsync/mapping"
)

//go:embed template.yaml
var templateText string

// TemplateOptions say what a new configuration file is for.
type TemplateOptions struct {
	Source string // type of the source; "": msgraph
	Target string // type of the target; "": scim
	App    string // preset of the application, "" is none
}

var appName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// tenantURLs are where the applications whose administrators need only look up an id are reached.
func tenantURL(app string) (url, hint string) {
	if app == "webex" {
		return "https://api.ciscospark.com/v1/scim/00000000-0000-0000-0000-000000000000",
			"the organization ID of Control Hub in place of the zeros"
	}
	return "https://scim.example.com/scim/v2", "the tenant URL, from the application's administration pages"
}

// Template returns a commented configuration file with every key. It loads as it is when the
// environment variables that it names are set. An error says which option there is no template for.
func Template(o TemplateOptions) (string, error) {
	if o.Source != "" && o.Source != "msgraph" {
		return "", fmt.Errorf("no template for a source of type %q; use msgraph, and change the source block afterwards", o.Source)
	}
	if o.Target != "" && o.Target != "scim" {
		return "", fmt.Errorf("no template for a target of type %q; use scim", o.Target)
	}
	if o.App != "" && !appName.MatchString(o.App) {
		return "", fmt.Errorf("%q is no name of an application; use lower-case letters, digits and hyphens, for example webex", o.App)
	}
	m := mapping.Default()
	if o.App == "webex" {
		m = mapping.WebexDefault()
	}
	data := struct {
		ID, App, BaseURL, BaseURLHint, TokenVariable string
		Users, Groups                                []string
	}{ID: "app", Users: lines(m.Users), Groups: lines(m.Groups)}
	if o.App != "" {
		data.App = quote(o.App)
		data.ID = data.App
	}
	data.BaseURL, data.BaseURLHint = tenantURL(o.App)
	data.TokenVariable = strings.ToUpper(strings.ReplaceAll(cmp.Or(o.App, "app"), "-", "_")) + "_TOKEN"

	t := template.Must(template.New("").Funcs(template.FuncMap{"pad": pad}).Parse(templateText))
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	return b.String(), nil
}

// pad fills the line up to where comments start.
func pad(width int, s string) string {
	return strings.Repeat(" ", max(1, width-len(s)))
}

// lines writes attribute mappings as they stand in a file.
func lines(o mapping.Object) []string {
	var out []string
	for _, a := range o.Attributes {
		match := ""
		if a.Match > 0 {
			match = ", match: " + strconv.Itoa(a.Match)
		}
		out = append(out, fmt.Sprintf("{target: %s, source: %s%s}", quote(a.Target.String()), quote(a.Source.String()), match))
	}
	return out
}

var plainWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.-]*$`)

// quote writes a text in single quotes unless it needs none.
func quote(s string) string {
	if plainWord.MatchString(s) && s != "true" && s != "false" && s != "null" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
