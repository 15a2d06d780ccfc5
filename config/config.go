// Package config reads the configuration file: YAML, strictly, every mistake at once and with its place.
//
// [Load] gives a [File] whose values have been checked as far as that can be done without knowing the
// connectors; what belongs to a connector stays a [Block] until it is decoded into that connector's own
// struct. Text values may contain ${env:NAME} and ${file:PATH}, which are replaced by an environment
// variable and by what a file holds; $${ stands for the characters ${. Relative paths start at the
// folder of the configuration file. Nothing that came from outside of the file, and no secret, appears
// in a message.
//
// Anchors, aliases and merge keys of YAML work. The JSON Schema for editors is schema.json.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"time"
)

// File is a configuration file.
type File struct {
	// DataDir is the folder of the embedded state and the embedded Temporal server. Left out: data.
	DataDir string `yaml:"dataDir,path"`
	// Server is the admin API and the web UI.
	Server Server `yaml:"server"`
	// Store is where the state is kept.
	Store Store `yaml:"store"`
	// Temporal is the server that runs the workflows.
	Temporal Temporal `yaml:"temporal"`
	// Log is the log of the process, on stderr.
	Log Log `yaml:"log"`
	// Notifications is how people are told.
	Notifications Notifications `yaml:"notifications"`
	// Retention says how long what happened is remembered.
	Retention Retention `yaml:"retention"`
	// Jobs are the pairs of source and target. At least one is needed.
	Jobs []Job `yaml:"jobs,required"`

	// Path is where the file was found, as it was named.
	Path string `yaml:"-"`
}

// Server is the admin API and the web UI.
type Server struct {
	// Listen is the address of admin API, web UI, /metrics, /healthz and /readyz. Empty: off.
	Listen string `yaml:"listen"`
	// Token gives full access. Left out: one is generated at the first start, kept in dataDir and printed once.
	Token Secret `yaml:"token"`
	// Tokens give limited access.
	Tokens []Token `yaml:"tokens"`
}

// Token gives somebody limited access to the admin API.
type Token struct {
	// Name stands in the audit log for whoever uses the token.
	Name string `yaml:"name,required"`
	// Token is the secret itself.
	Token Secret `yaml:"token,required"`
	// Role says what the token allows.
	Role string `yaml:"role,required" enum:"viewer|operator|approver|admin"`
}

// Store is where the state is kept.
type Store struct {
	// URL is postgres://user@host/db for several workers. Empty: SQLite in dataDir.
	URL string `yaml:"url"`
}

// Temporal is the server that runs the workflows.
type Temporal struct {
	// Address is host:port of a cluster or of Temporal Cloud. Empty: an embedded server kept in dataDir.
	Address string `yaml:"address"`
	// Namespace separates the workflows of several installations on one cluster.
	Namespace string `yaml:"namespace"`
	// TaskQueue is the queue that the workers of this installation share.
	TaskQueue string `yaml:"taskQueue"`
	// APIKey authenticates at Temporal Cloud.
	APIKey Secret `yaml:"apiKey"`
	// TLS of the connection.
	TLS TLS `yaml:"tls"`
}

// TLS of a connection. The zero TLS is none.
type TLS struct {
	// Cert is the PEM file of the client certificate.
	Cert string `yaml:"cert,path"`
	// Key is the PEM file of its private key.
	Key string `yaml:"key,path"`
	// CA is a PEM file of the authorities that the server's certificate may come from. Empty: those of the system.
	CA string `yaml:"ca,path"`
	// ServerName is the name that the server's certificate must have. Empty: the host of the address.
	ServerName string `yaml:"serverName"`
}

// Log is the log of the process.
type Log struct {
	// Level is the least important level that is written.
	Level string `yaml:"level" enum:"debug|info|warn|error"`
	// Format is console for people and json for programs.
	Format string `yaml:"format" enum:"console|json"`
}

// Notifications is how people are told.
type Notifications struct {
	// SMTP is the mail server. Left out: no mail is sent.
	SMTP *SMTP `yaml:"smtp"`
	// Webhooks receive every notification as signed JSON.
	Webhooks []Webhook `yaml:"webhooks"`
}

// SMTP is a mail server.
type SMTP struct {
	// Address is host:port.
	Address string `yaml:"address,required"`
	// Username signs in. Empty: no sign-in.
	Username string `yaml:"username"`
	// Password of the username.
	Password Secret `yaml:"password"`
	// From is the sender of the mails.
	From string `yaml:"from,required"`
	// TLS says how the connection is protected.
	TLS string `yaml:"tls" enum:"none|starttls|tls"`
}

func (s *SMTP) setDefaults() { s.TLS = "starttls" }

// Webhook receives notifications.
type Webhook struct {
	// URL is posted to.
	URL string `yaml:"url,required"`
	// Secret signs the body.
	Secret Secret `yaml:"secret"`
}

// Retention says how long what happened is remembered. 0 keeps it for ever. What decides about objects (links, failures, held
// deletions) is no part of it and is kept as long as it is needed.
type Retention struct {
	// Log is for rows of the provisioning log: who was created, changed, disabled, deleted or skipped, and why.
	Log time.Duration `yaml:"log"`
	// Values is for the old and new values in these rows, which are personal data. The rows stay.
	Values time.Duration `yaml:"values"`
	// Cycles is for ended cycles and their numbers. The last successful one of each job always stays.
	Cycles time.Duration `yaml:"cycles"`
	// Audit is for the audit log: who started, approved or changed something.
	Audit time.Duration `yaml:"audit"`
}

// keep is the default of every retention: a year, and a month to look back in.
const keep = 400 * 24 * time.Hour

func (f *File) setDefaults() {
	*f = File{
		Server:    Server{Listen: "127.0.0.1:8080"},
		Temporal:  Temporal{Namespace: "default", TaskQueue: "scimsync"},
		Log:       Log{Level: "info", Format: "console"},
		Retention: Retention{Log: keep, Values: keep, Cycles: keep, Audit: keep},
	}
}

// Load reads and checks the file at path. Variables come from getenv, usually os.LookupEnv. An error is
// of type [Problems].
func Load(path string, getenv func(string) (string, bool)) (*File, Warnings, error) {
	data, err := readFile(path, maxBytes)
	if err != nil {
		where, abs := path, path
		if p, e := filepath.Abs(path); e == nil {
			abs = p
		}
		m := message("check the permissions", "the file cannot be read: %v", reasonOf(err))
		if errors.Is(err, fs.ErrNotExist) {
			m = fmt.Sprintf("there is no such file (looked for %s); write one with `scimsync init`, or name another with --config", abs)
		}
		return nil, nil, Problems{{File: where, Message: m}}
	}
	return Parse(path, data, getenv)
}

// Parse is [Load] for a file that is in memory already. Name stands in messages, and relative paths
// start at its folder.
func Parse(name string, data []byte, getenv func(string) (string, bool)) (*File, Warnings, error) {
	dir := filepath.Dir(name)
	r := parse(name, data, references{dir: dir, getenv: getenv})
	if r.doc.root == nil {
		if len(r.problems) == 0 {
			r.fail("jobs", "write the jobs, or start from what `scimsync init` writes", "the file is empty")
		}
		return nil, nil, r.err()
	}
	f := &File{}
	d := &decoder{report: r, dir: dir}
	d.value(r.doc.root, reflect.ValueOf(f).Elem(), "", field{})
	f.Path = name
	if f.DataDir == "" {
		f.DataDir = filepath.Join(dir, "data")
	}
	f.check(d)
	return f, r.doubts(), r.err()
}
