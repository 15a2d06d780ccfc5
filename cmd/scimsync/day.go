package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
)

// day is what happens in the sandbox directory between the two cycles of the demo: joiners, movers and
// leavers, a rename, deletions, a restore, and changes of groups.
type day struct {
	dir      *graphtest.Server
	people   []string // entitled people by name, each used once
	groups   []string // assigned groups by name, each used once
	restored string
	events   []string
}

func newDay(dir *graphtest.Server) *day {
	t := dir.Truth()
	d := &day{dir: dir}
	d.people = slices.SortedFunc(maps.Keys(t.Entitled), func(a, b string) int {
		return strings.Compare(d.upn(t, a), d.upn(t, b))
	})
	assigned := map[string]bool{}
	for _, a := range t.Assignments {
		assigned[a.PrincipalID] = a.PrincipalType == "Group"
	}
	for id := range t.Groups {
		if assigned[id] {
			d.groups = append(d.groups, id)
		}
	}
	slices.SortFunc(d.groups, func(a, b string) int { return strings.Compare(d.groupName(t, a), d.groupName(t, b)) })
	return d
}

func (d *day) upn(t graphtest.Truth, id string) string {
	return fmt.Sprint(t.Users[id].Properties["userPrincipalName"])
}

func (d *day) name(t graphtest.Truth, id string) string {
	return fmt.Sprint(t.Users[id].Properties["displayName"])
}

func (d *day) groupName(t graphtest.Truth, id string) string {
	return fmt.Sprint(t.Groups[id].Properties["displayName"])
}

// person takes the next person nothing has happened to yet, spread over the alphabet.
func (d *day) person() string {
	at := (len(d.people) * 3) / 7
	id := d.people[at]
	d.people = slices.Delete(d.people, at, at+1)
	return id
}

func (d *day) group() string {
	at := len(d.groups) / 2
	id := d.groups[at]
	d.groups = slices.Delete(d.groups, at, at+1)
	return id
}

func (d *day) say(format string, args ...any) {
	d.events = append(d.events, fmt.Sprintf(format, args...))
}

// before prepares what must have happened before the first cycle: somebody is in the recycle bin.
func (d *day) before() {
	d.restored = d.person()
	d.dir.SoftDelete(d.restored)
}

// pass lets the day happen and tells it.
func (d *day) pass() []string {
	t := d.dir.Truth()
	d.dir.Advance(8 * time.Hour)
	big, renamed, dropped := d.group(), d.group(), d.group()

	joiner := d.dir.AddUser(graphtest.User{
		UserPrincipalName: "nova.lindqvist@sandbox.example.test", DisplayName: "Nova Lindqvist", GivenName: "Nova", Surname: "Lindqvist",
	})
	d.dir.AddMember(big, joiner)
	d.say("Nova Lindqvist joins and is put into the group %s", d.groupName(t, big))

	direct := d.dir.AddUser(graphtest.User{
		UserPrincipalName: "tomas.wiele@sandbox.example.test", DisplayName: "Tomas Wiele", GivenName: "Tomas", Surname: "Wiele",
	})
	d.dir.Assign(direct, d.dir.AppRoles()[0].ID)
	d.say("Tomas Wiele joins and is assigned to the application directly")

	mover := d.person()
	d.dir.UpdateUser(mover, map[string]any{"surname": "Abendstern", "displayName": fmt.Sprint(t.Users[mover].Properties["givenName"], " Abendstern")})
	d.say("%s marries and is called Abendstern now", d.name(t, mover))

	rename := d.person()
	d.dir.UpdateUser(rename, map[string]any{"userPrincipalName": "renamed." + d.upn(t, rename)})
	d.say("%s gets a new sign-in name", d.name(t, rename))

	blocked := d.person()
	d.dir.UpdateUser(blocked, map[string]any{"accountEnabled": false})
	d.say("sign-in of %s is blocked", d.name(t, blocked))

	leaver := d.person()
	d.leave(t, leaver)
	d.say("%s loses every assignment to the application", d.name(t, leaver))

	deleted := d.person()
	d.dir.SoftDelete(deleted)
	d.say("%s is deleted and lies in the recycle bin", d.name(t, deleted))

	purged := d.person()
	d.dir.SoftDelete(purged)
	d.dir.HardDelete(purged)
	d.say("%s is deleted for good", d.name(t, purged))

	d.dir.Restore(d.restored)
	d.say("%s comes back from the recycle bin", d.name(t, d.restored))

	d.dir.UpdateGroup(renamed, map[string]any{"displayName": d.groupName(t, renamed) + " (renamed)"})
	d.say("the group %s is renamed", d.groupName(t, renamed))

	d.dir.Unassign(dropped)
	d.say("the group %s is no longer assigned to the application", d.groupName(t, dropped))
	return d.events
}

// leave takes a person out of every group that is assigned, and unassigns them.
func (d *day) leave(t graphtest.Truth, id string) {
	e := t.Entitled[id]
	for _, g := range e.Groups {
		d.dir.RemoveMember(g, id)
	}
	if e.Direct {
		d.dir.Unassign(id)
	}
}
