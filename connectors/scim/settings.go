package scim

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// settings is a Config that was checked, with presets and defaults filled in.
type settings struct {
	Config
	base       baseURL
	limits     limits
	repair     bool
	etag       bool
	start      shape
	expires    time.Time
	userAgent  string
	contentTyp string
	bareTyp    string // contentTyp without parameters
}

// resolve checks a Config and fills in what is empty. All problems are reported at once, each with
// its key, the reason and the remedy.
func resolve(cfg Config) (settings, error) {
	s := settings{Config: cfg}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	oneOf := func(key string, v *string, first string, others ...string) {
		all := append([]string{first}, others...)
		if *v == "" {
			*v = first
		} else if !slices.Contains(all, *v) {
			wrong("%s: unknown value %q; use %s", key, *v, strings.Join(all, ", "))
			*v = first
		}
	}
	if cfg.Type != "" && cfg.Type != "scim" {
		wrong("type: %q is not scim; this connector speaks SCIM 2.0", cfg.Type)
	}
	if cfg.Profile != "" && cfg.Profile != Entra && cfg.Profile != RFC7644 {
		wrong("profile: unknown value %q; use entra or rfc7644", cfg.Profile)
		s.Profile = ""
	}
	dialect062 := false
	if cfg.App != "" {
		p, ok := presets[cfg.App]
		if !ok {
			wrong("app: no preset is called %q; use one of %s, or leave it out", cfg.App, strings.Join(Apps(), ", "))
		} else {
			p.fill(&s.Config)
			dialect062 = p.dialect062
		}
	}
	if s.Profile == "" {
		s.Profile = Entra
	}
	base, err := parseBaseURL(s.BaseURL, s.Profile, s.SendFlags)
	if err != nil {
		errs = append(errs, err)
	}
	s.base = base
	if dialect062 && s.Profile == Entra && !strings.Contains(strings.ToLower(s.BaseURL), flag2017) {
		s.base.dialect062 = true
	}

	onByProfile := map[Profile]string{Entra: "on", RFC7644: "off"}[s.Profile]
	offByProfile := map[Profile]string{Entra: "off", RFC7644: "auto"}[s.Profile]
	if s.Repair == "" {
		s.Repair = onByProfile
	}
	if s.ETag == "" {
		s.ETag = offByProfile
	}
	oneOf("repair", &s.Repair, "on", "off")
	oneOf("etag", &s.ETag, "off", "auto")
	oneOf("querySpace", &s.QuerySpace, "percent", "plus")
	oneOf("page.mode", &s.Page.Mode, "auto", "index", "cursor")
	oneOf("members.removeStyle", &s.Members.RemoveStyle, "profile", "valueArray", "filter", "auto")
	oneOf("members.readable", &s.Members.Readable, "auto", "yes", "no")
	oneOf("user.updateMethod", &s.User.UpdateMethod, "auto", "patch", "put")
	oneOf("user.clearStyle", &s.User.ClearStyle, "remove", "none", "emptyString", "null")
	oneOf("user.activeEncoding", &s.User.ActiveEncoding, "profile", "bool", "titleString")
	oneOf("match.createConflict", &s.Match.CreateConflict, "rematch", "fail")
	oneOf("verify.disable", &s.Verify.Disable, "auto", "always", "never")
	style := s.Capabilities.ManagerStyle
	if style != "" && style != "string" && style != "object" {
		wrong("capabilities.managerStyle: unknown value %q; use string or object", style)
	}
	s.repair, s.etag = s.Repair == "on", s.ETag == "auto"

	atLeast := func(key string, v *int, def int) {
		switch {
		case *v == 0:
			*v = def
		case *v < 0:
			wrong("%s: %d is negative; leave it out for the default of %d", key, *v, def)
			*v = def
		}
	}
	atLeast("retry.attempts", &s.Retry.Attempts, 5)
	atLeast("page.size", &s.Page.Size, 100)
	atLeast("page.maxPages", &s.Page.MaxPages, 100_000)
	atLeast("page.maxResources", &s.Page.MaxResources, 5_000_000)
	atLeast("members.perPatch", &s.Members.PerPatch, 100)
	atLeast("limits.jsonDepth", &s.Limits.JSONDepth, 64)
	if s.Concurrency < 0 {
		wrong("concurrency: %d is negative; 0 lets the connector find it", s.Concurrency)
	}
	lasting := func(key string, v *time.Duration, def time.Duration) {
		switch {
		case *v == 0:
			*v = def
		case *v < 0:
			wrong("%s: %s is negative; leave it out for the default of %s", key, *v, def)
			*v = def
		}
	}
	lasting("timeout.connect", &s.Timeout.Connect, 10*time.Second)
	lasting("timeout.tls", &s.Timeout.TLS, 10*time.Second)
	lasting("timeout.header", &s.Timeout.Header, 60*time.Second)
	lasting("timeout.total", &s.Timeout.Total, 100*time.Second)
	lasting("retry.base", &s.Retry.Base, time.Second)
	lasting("retry.max", &s.Retry.Max, time.Minute)
	lasting("retry.budget", &s.Retry.Budget, 5*time.Minute)
	lasting("retry.maxWait", &s.Retry.MaxWait, 15*time.Minute)
	lasting("settle", &s.Settle, 0)
	notNegative := func(key string, perSecond float64, burst int) {
		if perSecond < 0 || burst < 0 {
			wrong("%s: negative; 0 is no limit of our own", key)
		}
	}
	notNegative("rate", s.Rate, 0)
	notNegative("rates.write", s.Rates.Write.PerSecond, s.Rates.Write.Burst)
	notNegative("rates.createUser", s.Rates.CreateUser.PerSecond, s.Rates.CreateUser.Burst)
	notNegative("rates.groupPatch", s.Rates.GroupPatch.PerSecond, s.Rates.GroupPatch.Burst)
	if s.Limits.BodyBytes < 0 || s.Limits.HeaderBytes < 0 {
		wrong("limits: negative; leave them out for 16 MiB of body and 64 KiB of header")
	}
	if s.Limits.BodyBytes <= 0 {
		s.Limits.BodyBytes = 16 << 20
	}
	if s.Limits.HeaderBytes <= 0 {
		s.Limits.HeaderBytes = 64 << 10
	}
	s.limits = limits{depth: s.Limits.JSONDepth, items: 100_000, names: 10_000}
	if s.TLS.CA != "" {
		if _, err := os.Stat(s.TLS.CA); err != nil {
			wrong("tls.ca: %s cannot be read; name a PEM file with certificates", s.TLS.CA)
		}
	}

	s.userAgent = s.UserAgent
	if s.userAgent == "" {
		s.userAgent = "scimsync/1"
	}
	s.contentTyp = s.MediaType
	if s.contentTyp == "" {
		s.contentTyp = map[Profile]string{Entra: "application/scim+json; charset=utf-8", RFC7644: "application/scim+json"}[s.Profile]
	}
	s.bareTyp, _, _ = strings.Cut(s.contentTyp, ";")
	if !validHeaderValue(s.userAgent) {
		wrong("userAgent: %s", controlCharacter)
	}
	if !validHeaderValue(s.contentTyp) {
		wrong("mediaType: %s", controlCharacter)
	}
	errs = append(errs, s.checkAuth()...)
	s.start = startShape(&s)
	return s, errors.Join(errs...)
}

// checkAuth checks the auth block and cleans what people paste.
func (s *settings) checkAuth() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	a := &s.Auth
	needs := func(key, value, what string) {
		if strings.TrimSpace(value) == "" {
			wrong("auth.%s: missing; %s", key, what)
		}
	}
	switch a.Type {
	case "bearer":
		if _, err := cleanToken(a.Token.Reveal()); err != nil {
			wrong("auth.token: %v", err)
		}
	case "oauth2":
		needs("clientId", a.ClientID, "set the client id that the application gave out")
		needs("clientSecret", a.ClientSecret.Reveal(), "set the client secret, for example ${env:SCIM_SECRET}")
		if err := checkTokenURL(a.TokenURL); err != nil {
			errs = append(errs, err)
		}
		if in := a.CredentialsIn; in != "" && in != "header" && in != "body" && in != "both" {
			wrong("auth.credentialsIn: unknown value %q; use header, body or both", in)
		}
	case "basic":
		needs("username", a.Username, "set the user name")
		needs("password", a.Password.Reveal(), "set the password, for example ${env:SCIM_PASSWORD}")
		if strings.Contains(a.Username, ":") {
			wrong("auth.username: holds a colon, which basic authentication cannot express; use another account")
		}
	case "mtls":
		needs("cert", a.Cert, "name the PEM file of the client certificate")
		needs("key", a.Key, "name the PEM file of its private key")
	case "header":
		if !validHeaderName(a.Name) {
			wrong("auth.name: %q is not the name of a header; set for example X-Api-Key", a.Name)
		} else if reserved[http.CanonicalHeaderKey(a.Name)] {
			wrong("auth.name: %s is set by the protocol itself; use type bearer or basic, or another header", a.Name)
		}
		needs("value", a.Value.Reveal(), "set the value, for example ${env:SCIM_KEY}")
		if !validHeaderValue(a.Value.Reveal()) {
			wrong("auth.value: %s", controlCharacter)
		}
	case "":
		wrong("auth.type: missing; use bearer, oauth2, basic, mtls or header")
	default:
		wrong("auth.type: unknown value %q; use bearer, oauth2, basic, mtls or header", a.Type)
	}
	if (a.Cert == "") != (a.Key == "") && a.Type != "mtls" {
		wrong("auth: cert and key belong together; set both or none")
	}
	if a.Expires != "" {
		if s.expires = s.TokenExpires(); s.expires.IsZero() {
			wrong("auth.expires: %q is not a date; write it as 2027-11-01", a.Expires)
		}
	}
	return errs
}

// reserved headers cannot carry a credential of their own.
var reserved = map[string]bool{"Authorization": true, "Content-Type": true, "Content-Length": true, "Host": true,
	"Accept": true, "Accept-Encoding": true, "Connection": true, "Transfer-Encoding": true, "If-Match": true, "Cookie": true}

const controlCharacter = "holds a line break or another control character, which no header may carry; remove it"

func validHeaderValue(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
			return false
		}
	}
	return true
}

// validHeaderName reports whether n is a token of RFC 9110 section 5.6.2.
func validHeaderName(n string) bool {
	for i := range len(n) {
		c := n[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return n != ""
}
