package graphtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Happening is something that happened in the directory on a day.
type Happening struct {
	Kind string `json:"kind"` // joiner, mover, leaver, blocked, unassigned, rename, restore, newGroup, groupRename, memberAdded, memberRemoved
	ID   string `json:"id"`   // of the user or group
	Text string `json:"text"` // for people: who, and what
}

// PassDay moves the clock by 24 hours and lets about one percent of the directory change, at least
// one of each: people join, move, marry, are blocked, leave and come back, and groups follow. It is
// decided by the seed, and happens in one revision.
func (s *Server) PassDay() []Happening {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passDay()
}

func (s *Server) passDay() []Happening {
	s.life.advance(24 * time.Hour)
	s.tick()
	s.dir.begin()
	d := &day{s: s, r: s.names.rng, busy: map[*object]bool{}, heads: map[*object]bool{}, homes: map[string]*object{}}
	for _, k := range []kind{users, groups} {
		for _, o := range s.dir.all[k] {
			if o.stateAt(s.dir.rev) == live {
				d.live[k] = append(d.live[k], o)
			}
		}
	}
	for _, o := range d.live[users] {
		d.heads[o.managerAt(s.dir.rev)] = true
	}
	for _, g := range d.live[groups] {
		if name := d.name(g); slices.Contains(departments, name) {
			d.homes[name] = g
		} else {
			d.teams = append(d.teams, g)
		}
	}
	n := max(1, len(d.live[users])/400)
	d.restore()
	for range 2 * n {
		d.join()
	}
	for range n {
		d.move()
		d.rename()
		d.leave()
		d.block()
		d.unassign()
	}
	d.regroup()
	return d.out
}

type day struct {
	s     *Server
	r     *rand.Rand
	live  [kinds][]*object
	heads map[*object]bool   // whoever has reports: a day does not take them away
	busy  map[*object]bool   // one thing a day for everybody
	homes map[string]*object // the groups of departments, by name
	teams []*object          // the other groups
	out   []Happening
}

func (d *day) tell(kind string, o *object, format string, args ...any) {
	d.out = append(d.out, Happening{kind, o.id, fmt.Sprintf(format, args...)})
}

func (d *day) name(o *object) string { return d.s.dir.text(o, "displayName", d.s.dir.rev) }

// must stops on a change that was chosen among the possible ones and is not.
func must(err error) {
	if err != nil {
		panic("graphtest: " + err.Error())
	}
}

// someone picks a live user that fits and has had no news today; nil if there is none.
func (d *day) someone(fits func(*object) bool) *object {
	list := d.live[users]
	if len(list) == 0 {
		return nil
	}
	start := d.r.IntN(len(list))
	for i := range list {
		o := list[(start+i)%len(list)]
		if !d.busy[o] && o.stateAt(d.s.dir.rev) == live && fits(o) {
			d.busy[o] = true
			return o
		}
	}
	return nil
}

func anybody(*object) bool { return true }

func (d *day) restore() {
	for _, o := range d.s.dir.deleted {
		if o.kind == users {
			d.s.dir.restore(o)
			d.busy[o] = true
			d.tell("restore", o, "%s came back: the deletion was undone", d.name(o))
			return
		}
	}
}

func (d *day) assigned(o *object) bool {
	return slices.ContainsFunc(o.grants, func(a *assignment) bool { return a.resource == d.s.app && a.ended == 0 })
}

func (d *day) join() {
	u := d.s.names.person(d.s.domain())
	if boss := d.someone(func(o *object) bool { return d.s.dir.text(o, "department", d.s.dir.rev) == u.Department }); boss != nil {
		u.ManagerID = boss.id
	}
	id, err := d.s.addUser(u)
	must(err)
	o := d.s.dir.objects[id]
	d.busy[o] = true
	d.settle(o, u.Department)
	d.tell("joiner", o, "%s joined %s", u.DisplayName, u.Department)
}

// settle puts a user into the group of its department, and assigns it directly where that group is not assigned.
func (d *day) settle(o *object, department string) {
	g := d.homes[department]
	if g != nil {
		d.s.dir.link(g, o)
	}
	if (g == nil || !d.assigned(g)) && !d.assigned(o) {
		_, err := d.s.assign(d.s.app.id, o.id, d.s.app.firstRole())
		must(err)
	}
}

func (o *object) firstRole() string {
	for _, r := range o.roles {
		if !r.Disabled {
			return r.ID
		}
	}
	return ZeroRole
}

func (d *day) move() {
	o := d.someone(func(o *object) bool { return !d.heads[o] })
	if o == nil {
		return
	}
	from := d.s.dir.text(o, "department", d.s.dir.rev)
	to := pick(d.r, departments)
	for to == from {
		to = pick(d.r, departments)
	}
	must(d.s.setAll(o, map[string]any{"department": to, "jobTitle": to + " " + pick(d.r, titles)}))
	if g := d.homes[from]; g != nil {
		d.s.dir.unlink(g, o)
	}
	d.settle(o, to)
	if boss := d.someone(func(b *object) bool { return d.s.dir.text(b, "department", d.s.dir.rev) == to }); boss != nil {
		d.s.dir.setManager(o, boss)
	}
	if from == "" {
		from = "no department"
	}
	d.tell("mover", o, "%s moved from %s to %s", d.name(o), from, to)
}

func (d *day) rename() {
	o := d.someone(func(o *object) bool { return !strings.Contains(d.s.dir.text(o, "userPrincipalName", d.s.dir.rev), "#") })
	if o == nil {
		return
	}
	was := d.name(o)
	fresh := d.s.names.person(d.s.domain())
	given := d.s.dir.text(o, "givenName", d.s.dir.rev)
	if given == "" {
		given = fresh.GivenName
	}
	nick := fmt.Sprintf("%s.%s", strings.ToLower(given), strings.ToLower(fresh.Surname))
	for n := 2; d.s.names.taken[nick]; n++ {
		nick = fmt.Sprintf("%s.%s%d", strings.ToLower(given), strings.ToLower(fresh.Surname), n)
	}
	d.s.names.taken[nick] = true
	mail := nick + "@" + d.s.domain()
	must(d.s.setAll(o, map[string]any{
		"surname": fresh.Surname, "displayName": given + " " + fresh.Surname, "mailNickname": nick, "mail": mail, "userPrincipalName": mail,
	}))
	d.tell("rename", o, "%s is now called %s", was, d.name(o))
}

func (d *day) leave() {
	if o := d.someone(func(o *object) bool { return !d.heads[o] }); o != nil {
		who := d.name(o)
		d.s.dir.softDelete(o)
		d.tell("leaver", o, "%s left and was deleted", who)
	}
}

func (d *day) block() {
	enabled := d.s.dir.props[users].byName["accountenabled"]
	o := d.someone(func(o *object) bool {
		raw, _ := o.valueAt(enabled, d.s.dir.rev)
		return raw == "true" && !d.heads[o]
	})
	if o != nil {
		d.s.dir.set(o, enabled, "false")
		d.tell("blocked", o, "%s may not sign in any more", d.name(o))
	}
}

func (d *day) unassign() {
	if o := d.someone(d.assigned); o != nil {
		must(d.s.unassign(d.s.app.id, o.id, ""))
		d.tell("unassigned", o, "%s is no longer assigned to the application", d.name(o))
	}
}

// regroup changes two groups and founds one.
func (d *day) regroup() {
	people := len(d.live[users])
	if people == 0 {
		return
	}
	if list := d.teams; len(list) > 0 {
		g := list[d.r.IntN(len(list))]
		if o := d.someone(func(o *object) bool { e := g.edgeTo(o); return e == nil || !e.holds(d.s.dir.rev) }); o != nil {
			d.s.dir.link(g, o)
			d.tell("memberAdded", g, "%s is now in %s", d.name(o), d.name(g))
		}
		if o := d.someone(func(o *object) bool { e := g.edgeTo(o); return e != nil && e.holds(d.s.dir.rev) }); o != nil {
			d.s.dir.unlink(g, o)
			d.tell("memberRemoved", g, "%s is no longer in %s", d.name(o), d.name(g))
		}
		g = list[d.r.IntN(len(list))]
		was := d.name(g)
		must(d.s.setAll(g, map[string]any{"displayName": was + " Crew"}))
		d.tell("groupRename", g, "group %s is now called %s", was, d.name(g))
	}
	group := Group{DisplayName: fmt.Sprintf("Project %s %s", pick(d.r, teams), d.s.dir.now.Format("0102"))}
	for range min(people, 4) {
		if o := d.someone(anybody); o != nil {
			group.Members = append(group.Members, o.id)
		}
	}
	id, err := d.s.addGroup(group)
	must(err)
	_, err = d.s.assign(d.s.app.id, id, d.s.app.firstRole())
	must(err)
	d.tell("newGroup", d.s.dir.objects[id], "group %s was founded with %d members", group.DisplayName, len(group.Members))
}
