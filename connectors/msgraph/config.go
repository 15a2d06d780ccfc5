package msgraph

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// Config is the source block of a job whose type is msgraph. Exactly one way to sign in is set.
type Config struct {
	TenantID string `yaml:"tenantId"`
	ClientID string `yaml:"clientId"`

	ClientSecret     engine.Secret     `yaml:"clientSecret"`
	Certificate      *Certificate      `yaml:"certificate"`
	ManagedIdentity  *ManagedIdentity  `yaml:"managedIdentity"`
	WorkloadIdentity *WorkloadIdentity `yaml:"workloadIdentity"`
	// AccessToken is used as it is and never renewed: for the sandbox and for emergencies.
	AccessToken engine.Secret `yaml:"accessToken"`

	Cloud string `yaml:"cloud"` // global (the default), usGovL4, usGovDoD or china
	// Endpoint replaces the cloud's Graph root, version included. Plain http is accepted for loopback
	// addresses, and there with an access token only (GS-AU-5).
	Endpoint string `yaml:"endpoint"`

	// The application whose assignments define the scope: its service principal, or its client id.
	ServicePrincipalID string `yaml:"servicePrincipalId"`
	AppID              string `yaml:"appId"`

	// Scope, Select and Roles are what the job needs; they come from its mapping.
	Scope  engine.Scope `yaml:"-"`
	Select Select       `yaml:"-"`
	// Roles asks for assignments also in scope "all", because a mapping uses app roles (GS-AS-6).
	Roles bool `yaml:"-"`

	// Nested says that the job expands nested groups, so that groups above those of a user count as well.
	Nested bool `yaml:"-"`

	// Patience is how long one request may be held up by throttling and outages before the call
	// fails; 0: 15 minutes.
	Patience time.Duration `yaml:"-"`
	// OnWait is told of every wait that Graph asked for, with the status that caused it (0: no
	// answer). It may be called concurrently.
	OnWait func(d time.Duration, status int) `yaml:"-"`
	// UserAgent is sent with every request; "": scimsync.
	UserAgent string `yaml:"-"`
}

// Certificate signs in with a certificate and its key, PEM or PKCS#12. A changed file is read again.
type Certificate struct {
	Path     string        `yaml:"path,path"`
	Password engine.Secret `yaml:"password"`
}

// ManagedIdentity signs in as the identity of the Azure host; ClientID selects a user-assigned one.
type ManagedIdentity struct {
	ClientID string `yaml:"clientId"`
}

// WorkloadIdentity signs in with a federated token from a file, which is read for every token.
type WorkloadIdentity struct {
	TokenFile string `yaml:"tokenFile,path"`
}

// Select are the Graph properties that the job needs beyond those that are always read.
type Select struct {
	Users  []string
	Groups []string
	// Manager asks for users' managers.
	Manager bool
}

var (
	guid     = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	tenant   = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.-]*$`)
	property = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// check returns the Graph root and every problem of the configuration, each with key, reason and
// remedy.
func (c Config) check() (*url.URL, cloud, error) {
	var errs []error
	bad := func(key, format string, a ...any) { errs = append(errs, fmt.Errorf(key+": "+format, a...)) }

	methods := c.methods()
	switch {
	case len(methods) == 0:
		bad("clientSecret", "no way to sign in is set; set one of clientSecret, certificate, managedIdentity, workloadIdentity or accessToken")
	case len(methods) > 1:
		bad(methods[1], "set together with %s; keep one, because a fallback would hide which identity is used", methods[0])
	default:
		c.checkMethod(methods[0], bad)
	}
	if c.TenantID != "" && !tenant.MatchString(c.TenantID) {
		bad("tenantId", "%q is neither a tenant id nor a domain; copy the directory (tenant) ID from the application's overview page", c.TenantID)
	}
	if c.ClientID != "" && !guid.MatchString(c.ClientID) {
		bad("clientId", "%q is no id; copy the application (client) ID from the application's overview page", c.ClientID)
	}
	c.checkApplication(bad)
	c.checkSelect(bad)
	cl, known := clouds(c.Cloud)
	if !known {
		bad("cloud", "%q is unknown; use global, usGovL4, usGovDoD or china", c.Cloud)
	}
	var root *url.URL
	if known || c.Endpoint != "" {
		root = c.checkEndpoint(cl, bad)
	}
	return root, cl, errors.Join(errs...)
}

// methods are the keys of the ways to sign in that are set.
func (c Config) methods() []string {
	var m []string
	for _, method := range []struct {
		key string
		set bool
	}{
		{"clientSecret", !c.ClientSecret.Empty()},
		{"certificate", c.Certificate != nil},
		{"managedIdentity", c.ManagedIdentity != nil},
		{"workloadIdentity", c.WorkloadIdentity != nil},
		{"accessToken", !c.AccessToken.Empty()},
	} {
		if method.set {
			m = append(m, method.key)
		}
	}
	return m
}

func (c Config) checkMethod(method string, bad func(key, format string, a ...any)) {
	if method == "clientSecret" || method == "certificate" {
		if c.TenantID == "" {
			bad("tenantId", "missing; %s needs the directory (tenant) ID", method)
		}
		if c.ClientID == "" {
			bad("clientId", "missing; %s needs the application (client) ID", method)
		}
	}
	if method == "certificate" && c.Certificate.Path == "" {
		bad("certificate.path", "missing; set the file with certificate and private key, PEM or PKCS#12")
	}
	if method == "managedIdentity" && c.ManagedIdentity.ClientID != "" && !guid.MatchString(c.ManagedIdentity.ClientID) {
		bad("managedIdentity.clientId", "%q is no id; copy the client ID of the user-assigned identity, or leave it out for the host's own", c.ManagedIdentity.ClientID)
	}
}

func (c Config) checkApplication(bad func(key, format string, a ...any)) {
	if c.ServicePrincipalID != "" && !guid.MatchString(c.ServicePrincipalID) {
		bad("servicePrincipalId", "%q is no id; copy the object ID of the enterprise application", c.ServicePrincipalID)
	}
	if c.AppID != "" && !guid.MatchString(c.AppID) {
		bad("appId", "%q is no id; copy the application ID of the enterprise application", c.AppID)
	}
	switch {
	case c.ServicePrincipalID != "" && c.AppID != "":
		bad("appId", "set together with servicePrincipalId; keep one of them")
	case c.ServicePrincipalID == "" && c.AppID == "" && c.assignments():
		bad("servicePrincipalId", "missing; set the object ID of the enterprise application whose assignments decide who is provisioned (or appId), or use scope: all")
	}
	if c.Scope != engine.ScopeAssigned && c.Scope != engine.ScopeAll {
		bad("scope", "%q is unknown; use assigned or all", c.Scope)
	}
}

// groups reports whether the job reads groups at all.
func (c Config) groups() bool { return c.Scope != engine.ScopeAll || len(c.Select.Groups) > 0 }

// assignments reports whether the job needs to know who is assigned.
func (c Config) assignments() bool { return c.Scope != engine.ScopeAll || c.Roles }

func (c Config) checkSelect(bad func(key, format string, a ...any)) {
	for _, name := range c.Select.Users {
		if outside(name) {
			bad("mappings.users", "attribute %q is kept outside of the directory and has no change tracking; remove it from mappings and filters", name)
		}
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"mappings.users", c.Select.Users}, {"mappings.groups", c.Select.Groups}} {
		for _, name := range list.names {
			if !property.MatchString(name) {
				bad(list.key, "%q is no property of Microsoft Graph; use the property's name, such as department or extension_<appId>_<name>", name)
			}
		}
	}
}

func (c Config) checkEndpoint(cl cloud, bad func(key, format string, a ...any)) *url.URL {
	text := c.Endpoint
	if text == "" {
		text = cl.root + "/v1.0"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		bad("endpoint", "%q is no address; use a form such as https://graph.microsoft.com/v1.0", c.Endpoint)
		return nil
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		bad("endpoint", "it may only have a host and a path; remove user, query and fragment")
	case u.Scheme == "http" && !wire.Loopback(u):
		bad("endpoint", "plain http is accepted for this machine only, because the token would be readable on the way; use https")
	case u.Scheme == "http" && c.AccessToken.Empty():
		bad("endpoint", "plain http works with accessToken only; the token service does not give tokens for it")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawPath = ""
	if u.Path == "" {
		u.Path = "/v1.0"
	}
	return u
}
