package scim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// TestLifeWithQuirks leads three people and a group through a working life at an application that
// has one of the habits of real servers, in every dialect, and looks at what the application holds
// in the end. What a dialect cannot do with a habit is left out, with the reason.
func TestLifeWithQuirks(t *testing.T) {
	const repairless = "profile rfc7644 repairs nothing by default"
	for _, q := range []struct {
		name   string
		quirks scimtest.Quirks
		change func(*Config)
		skip   map[string]string // dialect to the reason
	}{
		{name: "none"},
		{name: "lower case operations", quirks: scimtest.Quirks{OpCaseStrict: true}},
		{name: "noTarget", quirks: scimtest.Quirks{NoTargetStrict: true}},
		{name: "active as text refused", quirks: scimtest.Quirks{ActiveStringRefused: true}},
		{name: "active as boolean refused", quirks: scimtest.Quirks{ActiveBoolRefused: true}, skip: map[string]string{"rfc7644": repairless}},
		{name: "value paths refused", quirks: scimtest.Quirks{ValuePathRefused: true}, skip: map[string]string{"rfc7644": repairless}},
		{name: "value paths refused, known", quirks: scimtest.Quirks{ValuePathRefused: true}, change: func(c *Config) { c.Capabilities.FilterPaths, c.Members.RemoveStyle = new(false), "auto" }},
		{name: "operations without path refused", quirks: scimtest.Quirks{PathlessRefused: true}},
		{name: "dotted names stored", quirks: scimtest.Quirks{DottedKeysLiteral: true}},
		{name: "manager as text refused", quirks: scimtest.Quirks{ManagerStringRefused: true}},
		{name: "manager as object refused", quirks: scimtest.Quirks{ManagerObjectRefused: true}, skip: map[string]string{"rfc7644": repairless}},
		{name: "one operation a request", quirks: scimtest.Quirks{OneOperation: true}, skip: map[string]string{"rfc7644": repairless}},
		{name: "small member batches", quirks: scimtest.Quirks{MemberBatchLimit: 1}},
		{name: "members by value refused", quirks: scimtest.Quirks{RemoveByValueRefused: true}},
		{name: "members by filter refused", quirks: scimtest.Quirks{RemoveByFilterRefused: true}, skip: map[string]string{"rfc7644": repairless}},
		{name: "no body on create", quirks: scimtest.Quirks{EmptyBodyOnCreate: true}},
		{name: "no body and no location", quirks: scimtest.Quirks{EmptyBodyOnCreate: true, NoLocation: true}},
		{name: "no id in the body", quirks: scimtest.Quirks{NoIDInBody: true}},
		{name: "create answers 200", quirks: scimtest.Quirks{CreateStatus: 200}},
		{name: "create answers 202", quirks: scimtest.Quirks{CreateStatus: 202}},
		{name: "update answers 204", quirks: scimtest.Quirks{UpdateStatus: 204}},
		{name: "update answers 202", quirks: scimtest.Quirks{UpdateStatus: 202}},
		{name: "update answers with the old state", quirks: scimtest.Quirks{PreImage: true}},
		{name: "groups are returned", quirks: scimtest.Quirks{PatchBody: true, ShowGroups: true}},
		{name: "numeric ids", quirks: scimtest.Quirks{NumericIDs: true}},
		{name: "members hidden", quirks: scimtest.Quirks{HideMembers: true}},
		{name: "members cut", quirks: scimtest.Quirks{MemberReadLimit: 2}},
		{name: "exclusions ignored", quirks: scimtest.Quirks{IgnoreExcluded: true}},
		{name: "names in lower case", quirks: scimtest.Quirks{LowerKeys: true}},
		{name: "booleans as text", quirks: scimtest.Quirks{StringBooleans: true}},
		{name: "extension at the top", quirks: scimtest.Quirks{FlatExtension: true}},
		{name: "versions", quirks: scimtest.Quirks{ETags: true}},
		{name: "plain media type", quirks: scimtest.Quirks{PlainContentType: true, MediaTypeStatus: 415}},
		{name: "prefix search", quirks: scimtest.Quirks{PrefixFilter: true}},
		{name: "typed filters refused", quirks: scimtest.Quirks{TypedFilterRefused: true}},
		{name: "names masked when disabled", quirks: scimtest.Quirks{MaskOnDisable: true}},
		{name: "users cannot be patched", quirks: scimtest.Quirks{PatchStatus: 405}, change: func(c *Config) {}, skip: map[string]string{
			"entra 2017": "groups cannot be changed by PUT safely", "entra 062020": "groups cannot be changed by PUT safely", "rfc7644": "groups cannot be changed by PUT safely"}},
		{name: "active never returned", quirks: scimtest.Quirks{HideAttributes: []string{"active"}}},
		{name: "a rate limit", quirks: scimtest.Quirks{RateLimit: 1}},
	} {
		for _, d := range dialects {
			t.Run(q.name+"/"+d.name, func(t *testing.T) {
				if why := q.skip[d.name]; why != "" {
					t.Skip(why)
				}
				t.Parallel()
				c, w := openSandbox(t, scimtest.Options{Seed: 7, Quirks: q.quirks, Now: steppingClock()}, d.query, func(cfg *Config) {
					cfg.Profile = d.profile
					if q.change != nil {
						q.change(cfg)
					}
				})
				live(t, c, w)
				if n := c.TakeRequests(); (n.Waited > 0) != (q.quirks.RateLimit > 0) {
					t.Errorf("waited %s for the application", n.Waited)
				}
			})
		}
	}
}

// steppingClock is the application's clock: it moves on by a tenth of a second with every look at it.
func steppingClock() func() time.Time {
	now := time.Now()
	ticks := make(chan time.Time, 1)
	ticks <- now
	return func() time.Time {
		at := (<-ticks).Add(100 * time.Millisecond)
		ticks <- at
		return at
	}
}

func live(t *testing.T, c *Client, w *sandbox) {
	ctx := t.Context()
	var ids []string
	for i := range 3 {
		name := fmt.Sprintf("person%d@fabrikon.example", i)
		values := append(slices.Clone(noor()), engine.Value{})[:len(noor())]
		values[0].Value, values[4].Value, values[7].Value = name, name, fmt.Sprint("ext", i)
		made, err := c.Create(ctx, engine.User, values, values[:1])
		noError(t, err)
		if made.Existing {
			t.Errorf("%s was taken for an existing account", name)
		}
		ids = append(ids, made.ID)
		again, err := c.Create(ctx, engine.User, values, values[:1])
		noError(t, err)
		if again.ID != made.ID || w.Count(engine.User) != i+1 {
			t.Errorf("a second create of %s gave %s, want %s", name, again.ID, made.ID)
		}
		for _, by := range []engine.Value{values[4], values[7]} {
			found, _, err := c.Find(ctx, engine.User, []engine.Value{by})
			noError(t, err)
			if len(found) != 1 || found[0].ID != made.ID {
				t.Errorf("by %s: found %v", by.Path, found)
			}
		}
	}
	for i, id := range ids {
		old := fmt.Sprintf("person%d@fabrikon.example", i)
		_, err := c.Update(ctx, engine.User, id, []engine.AttributeChange{chg("title", "Harbour pilot", "Captain"), chg("name.familyName", "Ahlgren", "Voss"),
			chg(workMail, old, "new"+old), chg(`phoneNumbers[type eq "mobile"].value`, nil, "+47 900"), chg(department, "Pilotage", "Towage"), chg("nickName", nil, "Nick")})
		noError(t, err)
		r, err := c.Get(ctx, engine.User, id)
		noError(t, err)
		for path, want := range map[string]any{"title": "Captain", "name.familyName": "Voss", "name.givenName": "Noor", workMail: "new" + old,
			`phoneNumbers[type eq "mobile"].value`: "+47 900", department: "Towage", "nickName": "Nick"} {
			p := mapping.MustPath(path)
			if got := r.Read(p); !mapping.Equal(mapping.DefinitionOf(p), want, got) {
				t.Errorf("%s of %s: got %v, want %v", path, id, got, want)
			}
		}
	}
	_, err := c.Update(ctx, engine.User, ids[0], []engine.AttributeChange{chg(managerURN, nil, ids[1])})
	noError(t, err)
	_, err = c.Update(ctx, engine.User, ids[0], []engine.AttributeChange{chg(managerURN, ids[1], ids[2])})
	noError(t, err)
	if o, _ := w.Object(engine.User, ids[0]); mapping.MustPath(managerURN).Read(o) != ids[2] {
		t.Errorf("manager: got %v", mapping.MustPath(managerURN).Read(o))
	}

	group, err := c.Create(ctx, engine.Group, []engine.Value{val("displayName", "Pilots"), val("externalId", "g1")}, []engine.Value{val("displayName", "Pilots")})
	noError(t, err)
	answers, err := c.AddMembers(ctx, group.ID, ids)
	noError(t, err)
	if f := failedMembers(answers); len(f) > 0 {
		t.Errorf("not added: %v (%v)", f, answers[f[0]])
	}
	answers, err = c.RemoveMembers(ctx, group.ID, ids[:1])
	noError(t, err)
	if f := failedMembers(answers); len(f) > 0 {
		t.Errorf("not removed: %v (%v)", f, answers[f[0]])
	}
	if got := slices.Sorted(slices.Values(w.Members(group.ID))); !slices.Equal(got, slices.Sorted(slices.Values(ids[1:]))) {
		t.Errorf("members: got %v, want %v", got, ids[1:])
	}
	_, err = c.Update(ctx, engine.Group, group.ID, []engine.AttributeChange{chg("displayName", "Pilots", "Port Pilots")})
	noError(t, err)

	for _, id := range ids[:2] {
		_, err = c.Update(ctx, engine.User, id, []engine.AttributeChange{disable, chg("title", "Captain", "Former captain")})
		noError(t, err)
		if r, _ := w.ByID(id); r.Active {
			t.Errorf("%s is still active", id)
		}
		_, err = c.Update(ctx, engine.User, id, []engine.AttributeChange{chg("active", false, true)})
		noError(t, err)
		if r, _ := w.ByID(id); !r.Active {
			t.Errorf("%s is not active again", id)
		}
	}
	noError(t, c.Delete(ctx, engine.User, ids[2]))
	noError(t, c.Delete(ctx, engine.Group, group.ID))
	if u, g := w.Size(); u != 2 || g != 0 {
		t.Errorf("left: %d users and %d groups", u, g)
	}
}
