package msgraph

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// What is always read. deletedDateTime makes an undelete visible: only a selected property makes an
// object show up (GS-US-2, GS-GR-2).
var (
	alwaysUsers  = []string{"id", "userPrincipalName", "accountEnabled", "deletedDateTime", "userType", "mail", "displayName"}
	alwaysGroups = []string{"id", "displayName", "mailNickname", "mailEnabled", "securityEnabled", "groupTypes", "deletedDateTime"}
)

// outside reports whether a property of users lives outside of the directory store: it triggers no
// change and makes a delta call fail (GS-US-3).
func outside(name string) bool {
	return slices.ContainsFunc([]string{"aboutMe", "birthday", "hireDate", "interests", "mailboxSettings", "mySite", "pastProjects",
		"preferredName", "responsibilities", "schools", "signInActivity", "skills"},
		func(n string) bool { return strings.EqualFold(n, name) })
}

// A selection is the properties asked for of one kind of object.
type selection struct {
	plain string          // comma-joined, sorted: for reads of single objects
	delta string          // the same with the references that a feed tracks
	names map[string]bool // lower case
}

func newSelection(always, more []string, references ...string) selection {
	s := selection{names: map[string]bool{}}
	var names []string
	for _, n := range slices.Concat(always, more) {
		low := strings.ToLower(n)
		if s.names[low] || low == "manager" || low == "members" { // references are not properties
			continue
		}
		s.names[low] = true
		names = append(names, n)
	}
	slices.Sort(names)
	s.plain = strings.Join(names, ",")
	names = append(names, references...)
	slices.Sort(names)
	s.delta = strings.Join(names, ",")
	return s
}

func (s *Source) selection(k engine.Kind) selection {
	if k == engine.Group {
		return s.groups
	}
	return s.users
}

// Selection implements [engine.Source]. The fingerprint covers what is frozen into the links of a
// feed: the properties, and the tenant and host they were obtained from.
func (s *Source) Selection(f engine.Feed) string {
	of := map[engine.Feed]string{
		engine.FeedUsers:       s.users.delta,
		engine.FeedGroups:      s.groups.delta,
		engine.FeedAssignments: strings.ToLower(s.cfg.ServicePrincipalID + s.cfg.AppID),
	}[f]
	sum := sha256.Sum256([]byte(strings.Join([]string{string(f), s.root.String(), strings.ToLower(s.cfg.TenantID), of}, "\n")))
	return hex.EncodeToString(sum[:16])
}

// Snapshot implements [engine.Source]: there is no delta of assignments (GS-AS-8).
func (s *Source) Snapshot(f engine.Feed) bool { return f == engine.FeedAssignments }
