package scim

import (
	"time"

	"github.com/scimsync/scimsync/engine"
)

// Profile says which shapes go on the wire.
type Profile string

const (
	// Entra sends what the Microsoft Entra provisioning service sends.
	Entra Profile = "entra"
	// RFC7644 sends what RFC 7643 and RFC 7644 prescribe and nothing else.
	RFC7644 Profile = "rfc7644"
)

// Config is the target block of a job whose type is scim. Everything but BaseURL and Auth may be
// left out; a preset named by App fills what is empty.
type Config struct {
	Type    string  `yaml:"type"`    // scim
	BaseURL string  `yaml:"baseUrl"` // tenant URL, required
	Profile Profile `yaml:"profile"` // "": entra
	App     string  `yaml:"app"`     // preset of known quirks, "" is none
	Auth    Auth    `yaml:"auth"`

	Concurrency int     `yaml:"concurrency"` // requests in flight; 0: adaptive, 6 growing to 32
	Rate        float64 `yaml:"rate"`        // requests per second; 0: no limit of our own
	Rates       Rates   `yaml:"rates"`

	Timeout Timeouts `yaml:"timeout"`
	Retry   Retry    `yaml:"retry"`
	Page    Paging   `yaml:"page"`
	Members Members  `yaml:"members"`
	User    Users    `yaml:"user"`
	Match   Matching `yaml:"match"`
	Verify  Verify   `yaml:"verify"`

	Repair       string        `yaml:"repair"`       // on | off; "": on with entra, off with rfc7644
	ETag         string        `yaml:"etag"`         // auto | off; "": off with entra, auto with rfc7644
	SerialGroups bool          `yaml:"serialGroups"` // one group write at a time for the whole connection
	Settle       time.Duration `yaml:"settle"`       // pause between a write and reading it back
	MediaType    string        `yaml:"mediaType"`    // of request bodies; "": that of the profile
	UserAgent    string        `yaml:"userAgent"`    // "": scimsync
	SendFlags    bool          `yaml:"sendFlags"`    // leave Entra's flags of the base URL on the wire
	QuerySpace   string        `yaml:"querySpace"`   // percent | plus; "": percent

	TLS          TLS          `yaml:"tls"`
	Net          Net          `yaml:"net"`
	Limits       Limits       `yaml:"limits"`
	Capabilities Capabilities `yaml:"capabilities"`

	// OnWait is told of every wait that the target asked for or that a backoff imposes, with the
	// status that caused it (0: no answer). It may be called concurrently.
	OnWait func(d time.Duration, status int) `yaml:"-"`
}

// Auth says how requests authenticate (section 5).
type Auth struct {
	Type    string        `yaml:"type"`    // bearer | oauth2 | basic | mtls | header
	Token   engine.Secret `yaml:"token"`   // bearer
	Expires string        `yaml:"expires"` // date (2027-11-01) on which the credential ends, for reminders

	TokenURL      string            `yaml:"tokenUrl"` // oauth2: client credentials
	ClientID      string            `yaml:"clientId"`
	ClientSecret  engine.Secret     `yaml:"clientSecret"`
	CredentialsIn string            `yaml:"credentialsIn"` // header | body | both; "": header
	Scopes        []string          `yaml:"scopes"`
	Extra         map[string]string `yaml:"extra"` // further form fields, for example audience

	Username string        `yaml:"username"` // basic
	Password engine.Secret `yaml:"password"`

	Cert string `yaml:"cert,path"` // mtls: PEM files; may go with any other type
	Key  string `yaml:"key,path"`

	Name  string        `yaml:"name"` // header
	Value engine.Secret `yaml:"value"`
}

// TokenExpires is the beginning of the day, in UTC, on which the credential ends; zero if nobody said or what was said is
// no date, which [New] refuses.
func (c Config) TokenExpires() time.Time {
	at, err := time.Parse(time.DateOnly, c.Auth.Expires)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Rates are optional limits for kinds of requests that services meter separately.
type Rates struct {
	Write      Rate `yaml:"write"`      // everything but reads
	CreateUser Rate `yaml:"createUser"` // POST of a user
	GroupPatch Rate `yaml:"groupPatch"` // PATCH of a group
}

// Rate is a token bucket; the zero Rate is no limit.
type Rate struct {
	PerSecond float64 `yaml:"perSecond"`
	Burst     int     `yaml:"burst"` // 0: one second's worth
}

// Timeouts bound one attempt.
type Timeouts struct {
	Connect time.Duration `yaml:"connect"` // 0: 10s
	TLS     time.Duration `yaml:"tls"`     // 0: 10s
	Header  time.Duration `yaml:"header"`  // 0: 60s
	Total   time.Duration `yaml:"total"`   // 0: 100s
}

// Retry says how patient one call is (section 20).
type Retry struct {
	Attempts int           `yaml:"attempts"` // 0: 5
	Base     time.Duration `yaml:"base"`     // 0: 1s
	Max      time.Duration `yaml:"max"`      // 0: 60s
	Budget   time.Duration `yaml:"budget"`   // 0: 5m
	MaxWait  time.Duration `yaml:"maxWait"`  // longest Retry-After that a call waits for; 0: 15m
}

// Paging of listings (section 22).
type Paging struct {
	Size         int    `yaml:"size"`         // 0: 100
	Mode         string `yaml:"mode"`         // auto | index | cursor; "": auto
	MaxPages     int    `yaml:"maxPages"`     // 0: 100,000
	MaxResources int    `yaml:"maxResources"` // 0: 5,000,000
}

// Members of groups (section 16).
type Members struct {
	PerPatch    int    `yaml:"perPatch"`    // 0: 100
	RemoveStyle string `yaml:"removeStyle"` // profile | valueArray | filter | auto; "": profile
	Readable    string `yaml:"readable"`    // auto | yes | no; "": auto
}

// Users says how user objects are written.
type Users struct {
	UpdateMethod   string `yaml:"updateMethod"`   // auto | patch | put; "": auto
	ClearStyle     string `yaml:"clearStyle"`     // none | remove | emptyString | null; "": remove
	ActiveEncoding string `yaml:"activeEncoding"` // profile | bool | titleString; "": profile
}

// Matching says what searches mean.
type Matching struct {
	CreateConflict   string `yaml:"createConflict"`   // rematch | fail; "": rematch
	Query404IsEmpty  bool   `yaml:"query404IsEmpty"`  // a 404 with a SCIM error is an empty list
	CaseExact        bool   `yaml:"caseExact"`        // matching values differ in case
	ScanFallback     bool   `yaml:"scanFallback"`     // list everything when nothing can be filtered
	WithoutTypedPath bool   `yaml:"withoutTypedPath"` // search emails.value instead of emails[type eq "work"].value
}

// Verify reads back what was written.
type Verify struct {
	Disable string `yaml:"disable"` // auto | always | never; "": auto
	Create  bool   `yaml:"create"`
}

// TLS of the connection.
type TLS struct {
	CA                 string `yaml:"ca,path"` // PEM file of further roots
	InsecureSkipVerify bool   `yaml:"insecureSkipVerify"`
}

// Net says where the connector may connect to. Left alone, private networks are fine: scimsync is
// self-hosted, and the administrator who types the tenant URL owns the network. With allowPrivate:
// false, for those who let others type URLs, every address is checked when it is dialled (27.3).
type Net struct {
	AllowPrivate *bool    `yaml:"allowPrivate"`
	AllowHosts   []string `yaml:"allowHosts"` // exceptions: host or host:port
}

// Limits bound what an answer may cost (27.4).
type Limits struct {
	BodyBytes   int64 `yaml:"bodyBytes"`   // 0: 16 MiB
	JSONDepth   int   `yaml:"jsonDepth"`   // 0: 64
	HeaderBytes int64 `yaml:"headerBytes"` // 0: 64 KiB
}

// Capabilities override what was learned about the server (7.4).
type Capabilities struct {
	FilterPaths  *bool  `yaml:"filterPaths"`  // PATCH paths with a value filter are accepted
	PathlessOK   *bool  `yaml:"pathlessOk"`   // operations without path are accepted
	LowerCaseOps *bool  `yaml:"lowerCaseOps"` // add, replace, remove in lower case
	ManagerStyle string `yaml:"managerStyle"` // string | object
}
