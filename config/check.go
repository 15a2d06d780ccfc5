package config

import (
	"cmp"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/mapping"
)

// Bounds of a job's interval.
const (
	minInterval = time.Minute
	maxInterval = 24 * time.Hour
)

// Kinds of connectors (contract section 3).
var (
	sourceTypes = []string{"msgraph", "scim", "ldap", "file"}
	targetTypes = []string{"scim"}
)

var jobID = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// check looks at what the kinds of the values do not tell.
func (f *File) check(d *decoder) {
	f.checkServer(d)
	f.checkTemporal(d)
	f.checkNotifications(d)
	f.checkRetention(d)
	if u, err := url.Parse(f.Store.URL); f.Store.URL != "" && (err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "") {
		// Not shown: it may hold a password.
		d.fail("store.url", "write postgres://user@host/db, or \"\" for SQLite in dataDir", "it is no address of a PostgreSQL database")
	}
	if _, n := d.doc.find("jobs"); n != nil && n.kind == list && len(f.Jobs) == 0 {
		d.fail("jobs", "write at least one job", "the list is empty")
	}
	first := map[string]int{}
	for i := range f.Jobs {
		j := &f.Jobs[i]
		path := index("jobs", i)
		if k, taken := first[j.ID]; taken {
			d.fail(join(path, "id"), "give each job its own", "the job in line %d has this id already", d.doc.at(index("jobs", k)+".id").line)
		} else if j.ID != "" {
			first[j.ID] = i
		}
		j.Source.placed(d, join(path, "source"))
		j.Target.placed(d, join(path, "target"))
		j.check(d, path)
		j.compile(d, path)
		j.defaults()
	}
}

func (f *File) checkServer(d *decoder) {
	address(d, "server.listen", f.Server.Listen, "127.0.0.1:8080")
	given(d, "server.token", f.Server.Token, "remove the key, and one is generated")
	names := map[string]bool{}
	secrets := map[string]string{} // where each of them stands
	same := func(path string, s Secret) {
		switch at, taken := secrets[s.Reveal()]; {
		case s.Empty() || d.failed(path):
		case taken:
			d.fail(path, "give each name and role a token of its own", "it is the same token as %s in line %d, so that nobody can tell who uses it", at, d.doc.at(at).line)
		default:
			secrets[s.Reveal()] = path
		}
	}
	same("server.token", f.Server.Token)
	for i, t := range f.Server.Tokens {
		path := index("server.tokens", i)
		if names[t.Name] && t.Name != "" {
			d.fail(join(path, "name"), "give each token its own", "another token has this name already")
		}
		names[t.Name] = true
		given(d, join(path, "token"), t.Token, "set one")
		same(join(path, "token"), t.Token)
	}
}

// given reports a secret that is written down and empty: whoever wrote it wants it to protect something.
func given(d *decoder, path string, s Secret, remedy string) {
	if _, n := d.doc.find(path); n != nil && n.kind == text && !n.broken && s.Empty() {
		d.fail(path, remedy, "the token is empty")
	}
}

func (f *File) checkTemporal(d *decoder) {
	t := f.Temporal
	address(d, "temporal.address", t.Address, "temporal.example.com:7233")
	if t.Namespace == "" {
		d.fail("temporal.namespace", "remove the key for default", "it is empty")
	}
	if t.TaskQueue == "" {
		d.fail("temporal.taskQueue", "remove the key for scimsync", "it is empty")
	}
	switch {
	case t.TLS.Cert != "" && t.TLS.Key == "":
		d.fail("temporal.tls.key", "set the file of the private key", "it is missing beside cert")
	case t.TLS.Key != "" && t.TLS.Cert == "":
		d.fail("temporal.tls.cert", "set the file of the certificate", "it is missing beside key")
	}
}

func (f *File) checkNotifications(d *decoder) {
	if s := f.Notifications.SMTP; s != nil {
		address(d, "notifications.smtp.address", s.Address, "mail.example.com:587")
		mailAddress(d, "notifications.smtp.from", s.From)
		if s.Username == "" && !s.Password.Empty() {
			d.fail("notifications.smtp.username", "set the user that the password belongs to", "it is missing beside password")
		}
	}
	for i, w := range f.Notifications.Webhooks {
		u, err := url.Parse(w.URL)
		if w.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			d.fail(index("notifications.webhooks", i)+".url", "write https://host/path", "it is no web address")
		}
	}
}

// address checks host:port; "" is fine.
func address(d *decoder, path, s, example string) {
	if s == "" {
		return
	}
	_, port, err := net.SplitHostPort(s)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n == 0 && path != "server.listen" {
		d.fail(path, "write host:port, for example "+example, "it is no address")
	}
}

func mailAddress(d *decoder, path, s string) {
	if a, err := mail.ParseAddress(s); s != "" && (err != nil || !strings.Contains(a.Address, "@")) {
		d.fail(path, "write somebody@example.com", "it is no mail address")
	}
}

func (j *Job) check(d *decoder, path string) {
	if _, n := d.doc.find(join(path, "id")); n != nil && n.kind == text && !n.broken && !jobID.MatchString(j.ID) {
		d.fail(join(path, "id"), "use 1 to 63 lower-case letters, digits and hyphens", "%sno id of a job", is(n))
	}
	if j.Interval < minInterval || j.Interval > maxInterval {
		if _, n := d.doc.find(join(path, "interval")); n != nil && n.kind == text {
			if _, err := parseDuration(n.text); err == nil {
				d.fail(join(path, "interval"), "write a duration from 1m to 24h", "it is out of bounds")
			}
		}
	}
	j.checkDeletions(d, path+".deletions")
	j.checkLeaving(d, path)
	for i, a := range j.Notify.Email {
		mailAddress(d, index(path+".notify.email", i), a)
	}
	blockTypeIs(d, join(path, "source"), j.Source, sourceTypes)
	blockTypeIs(d, join(path, "target"), j.Target, targetTypes)
}

func (j *Job) checkDeletions(d *decoder, path string) {
	g := j.Deletions
	if t := g.Threshold; t != nil && *t < 0 {
		d.fail(path+".threshold", "write 0 to switch the guard off, or remove the key for the default", "it must not be negative")
	}
	if g.Percent < 0 || g.Percent > 100 {
		d.fail(path+".percent", "write a share from 0 to 100; 0 sets no such limit", "it is out of bounds")
	}
	if t := g.Threshold; t != nil && *t == 0 && g.Percent > 0 {
		d.fail(path+".threshold", "remove it, or percent", "0 switches the guard off, so percent would do nothing")
	}
	if g.Memberships < 0 {
		d.fail(path+".memberships", "write 0 for no such limit", "it must not be negative")
	}
	if n := g.EmptiedGroup; n != nil && *n < 0 {
		d.fail(path+".emptiedGroup", "write 0 to switch it off, or remove the key for the default", "it must not be negative")
	}
}

// checkRetention doubts values that are to be kept longer than the rows that they stand in.
func (f *File) checkRetention(d *decoder) {
	r := f.Retention
	if _, n := d.doc.find("retention.values"); n != nil && r.Log > 0 && (r.Values > r.Log || r.Values == 0) {
		d.warn("retention.values", "raise retention.log, or remove the key", "values are gone with their rows, after %s", inDays(r.Log))
	}
}

func inDays(x time.Duration) string {
	if x%(24*time.Hour) == 0 {
		return strconv.Itoa(int(x/(24*time.Hour))) + "d"
	}
	return x.String()
}

func blockTypeIs(d *decoder, path string, b Block, types []string) {
	for _, t := range types {
		if b.Type == t {
			return
		}
	}
	if b.node != nil && b.node.get("type") != nil && b.node.get("type").kind == text {
		d.fail(join(path, "type"), remedyFor(b.Type, types), "unknown value%s", shown(b.node.get("type")))
	}
}

// compile makes the mappings ready for use.
func (j *Job) compile(d *decoder, path string) {
	_, written := d.doc.find(join(path, "mappings"))
	if j.Schema != "" {
		if written != nil {
			d.fail(join(path, "schema"), "remove one of the two", "schema and mappings are both given")
		}
		j.loadSchema(d, join(path, "schema"))
		return
	}
	if d.failed(join(path, "mappings")) {
		return // what follows from a misspelt key need not be said
	}
	app := ""
	if n := j.Target.node.get("app"); n != nil {
		app = n.text
	}
	users, groups := defaultSpecs(app)
	j.Mapping.Users = compileObject(d, join(path, "mappings.users"), j.Mappings.Users, users)
	j.Mapping.Groups = compileObject(d, join(path, "mappings.groups"), j.Mappings.Groups, groups)
	if !j.Mapping.Users.Enabled && !j.Mapping.Groups.Enabled {
		d.warn(join(path, "mappings"), "enable one, or set enabled: false on the job", "users and groups are both switched off, so the job does nothing")
	}
}

// defaultSpecs are the mappings that apply where a job has none.
func defaultSpecs(app string) (users, groups mapping.ObjectSpec) {
	if app == "webex" {
		return mapping.WebexSpecs()
	}
	return users, mapping.ObjectSpec{Groups: true} // Compile knows the default
}

// compileObject compiles what is written, with the attributes of the default if none are.
func compileObject(d *decoder, path string, written *mapping.ObjectSpec, byDefault mapping.ObjectSpec) mapping.Object {
	spec := byDefault
	if written != nil {
		spec = *written
		spec.Groups = byDefault.Groups
		if len(spec.Attributes) == 0 {
			spec.Attributes = byDefault.Attributes
		}
	}
	o, problems := mapping.Compile(spec)
	for _, p := range problems {
		field := join(path, p.Field)
		at, n := d.doc.find(field)
		if n != nil && p.Offset > 0 && n.letters.line > 0 {
			at = position{n.letters.line, n.letters.column + p.Offset}
		}
		if n != nil && n.outside {
			p.Message, p.Hint = "it is not valid", "look at what stands in place of the reference; it is not shown here"
		}
		if p.Warning {
			d.warnAt(at, field, p.Hint, "%s", p.Message)
		} else {
			d.failAt(at, field, p.Hint, "%s", p.Message)
		}
	}
	return o
}

// maxSchemaBytes is many times the size of the largest known schema.
const maxSchemaBytes = 64 << 20

// loadSchema takes the mapping from an exported synchronization schema.
func (j *Job) loadSchema(d *decoder, path string) {
	data, err := readFile(j.Schema, maxSchemaBytes)
	if err != nil {
		d.fail(path, "check the path, which starts at the folder of the configuration file, and the permissions", "the file %s cannot be read: %v", j.Schema, reasonOf(err))
		return
	}
	s, found := mapping.LoadSchema(data)
	for _, x := range found {
		report := d.warn
		if x.Severity == mapping.SeverityError {
			report = d.fail
		}
		report(path, x.Hint, "%s at %s: %s", j.Schema, cmp.Or(x.Pointer, "/"), x.Message)
	}
	if s != nil {
		j.Mapping = s.Mapping()
	}
}
