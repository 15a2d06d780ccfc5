package enginetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

func feedTests() []storeTest {
	return []storeTest{
		{"a feed never read has the zero state", func(c *storeCase) {
			c.equal("state", got(c.s.FeedState(c.Context(), c.job, engine.FeedUsers))(c), engine.FeedState{})
		}},
		{"rounds: generation, selection, cursor and watermark", func(c *storeCase) {
			ctx := c.Context()
			first := got(c.s.OpenRound(ctx, c.job, engine.FeedUsers, true, "a,b"))(c)
			c.equal("first round", first, engine.FeedState{Open: true, Full: true, Generation: 1, Selection: "a,b"})
			c.save(engine.FeedUsers, engine.PageWrite{Generation: 1, Next: "page2"})
			c.save(engine.FeedUsers, engine.PageWrite{Generation: 1, Next: "page3"})
			c.equal("under way", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c),
				engine.FeedState{Open: true, Full: true, Generation: 1, Selection: "a,b", Cursor: "page3", Pages: 2})
			before := time.Now().Add(-time.Minute)
			c.must(c.s.CloseRound(ctx, c.job, engine.FeedUsers, "mark1"))
			closed := got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c)
			if closed.WatermarkAt.Before(before) || closed.WatermarkAt.After(time.Now().Add(time.Minute)) || closed.WatermarkAt.Location() != time.UTC {
				c.Errorf("WatermarkAt is %v, not the present in UTC", closed.WatermarkAt)
			}
			if closed.Open || closed.Cursor != "" || closed.Watermark != "mark1" || closed.Generation != 1 || closed.Selection != "a,b" {
				c.Errorf("closed round: %+v", closed)
			}

			delta := got(c.s.OpenRound(ctx, c.job, engine.FeedUsers, false, "other"))(c)
			if !delta.Open || delta.Full || delta.Generation != 1 || delta.Selection != "a,b" || delta.Watermark != "mark1" || delta.Pages != 0 {
				c.Errorf("a round that is not full keeps generation, selection and watermark: %+v", delta)
			}
			c.save(engine.FeedUsers, engine.PageWrite{Generation: 1, Next: "page2"})
			again := got(c.s.OpenRound(ctx, c.job, engine.FeedUsers, false, "other"))(c)
			if again.Cursor != "" || again.Pages != 0 || again.Watermark != "mark1" {
				c.Errorf("a round begun anew forgets its cursor and keeps the watermark: %+v", again)
			}
			full := got(c.s.OpenRound(ctx, c.job, engine.FeedUsers, true, "c"))(c)
			if full.Generation != 2 || full.Selection != "c" || full.Watermark != "mark1" || !full.Full {
				c.Errorf("a full round gets the next generation and the selection given, the watermark stays: %+v", full)
			}
			c.equal("stored", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c), full)
			c.equal("another feed", got(c.s.FeedState(ctx, c.job, engine.FeedGroups))(c), engine.FeedState{})
			c.equal("another job", got(c.s.FeedState(ctx, "other", engine.FeedUsers))(c), engine.FeedState{})
		}},
		{"a page saved again changes nothing", func(c *storeCase) {
			c.link(group("g1"), user("u1"))
			g := c.open(engine.FeedGroups, true).Generation
			page := engine.PageWrite{
				Generation: g, Next: "page2",
				Objects:     []engine.Object{conveying("g1"), active(user("u1")), active(user("u2"))},
				Edges:       []engine.Edge{member("g1", user("u1")), member("g1", user("u2")), manager("u1", "u2")},
				Assignments: []engine.Assignment{assigned("a1", group("g1"))},
				Queue:       []engine.Ref{user("u2")},
			}
			see := func() []any {
				u := got(c.s.Objects(c.Context(), c.job, engine.User, []string{"u1", "u2"}))(c)
				gs := got(c.s.Objects(c.Context(), c.job, engine.Group, []string{"g1"}))(c)
				return []any{u, gs, got(c.s.FeedState(c.Context(), c.job, engine.FeedGroups))(c), c.queued(),
					got(c.s.Waiting(c.Context(), c.job, group("g1"), engine.Member, "", 10))(c), c.waiting(user("u1"), engine.Manager),
					got(c.s.AssignmentPaths(c.Context(), c.job, engine.User, []string{"u1", "u2"}))(c)}
			}
			c.save(engine.FeedGroups, page)
			once := see()
			c.equal("queue", c.queued(), []string{"group:g1", "user:u1", "user:u2"})
			c.save(engine.FeedGroups, page)
			c.equal("after the second time", see(), once)
			c.drain()
			page.Queue = nil
			c.save(engine.FeedGroups, page)
			c.equal("queue: nothing about anybody's scope changed", c.queued(), nil)
		}},
		{"a page of a round that is not open is refused", func(c *storeCase) {
			ctx := c.Context()
			page := engine.PageWrite{Generation: 1, Next: "lost", Objects: []engine.Object{active(user("u1"))}}
			if err := c.s.SavePage(ctx, c.job, engine.FeedUsers, page); err == nil {
				c.Error("no error though no round was ever opened")
			}
			c.open(engine.FeedUsers, true)
			c.open(engine.FeedUsers, true)
			if err := c.s.SavePage(ctx, c.job, engine.FeedUsers, page); err == nil {
				c.Error("no error though a newer round was begun")
			}
			c.equal("objects", got(c.s.Objects(ctx, c.job, engine.User, []string{"u1"}))(c), nil)
			c.equal("cursor", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c).Cursor, engine.Cursor(""))
			c.must(c.s.CloseRound(ctx, c.job, engine.FeedUsers, "w"))
			page.Generation = 2
			if err := c.s.SavePage(ctx, c.job, engine.FeedUsers, page); err == nil {
				c.Error("no error though the round is closed")
			}
		}},
		{"objects keep exactly what was said", func(c *storeCase) {
			objects := []engine.Object{
				{Ref: user("null"), State: engine.Active, Attributes: mapping.Attributes{"mail": nil}},
				{Ref: user("empty"), State: engine.Active, Attributes: mapping.Attributes{}},
				{Ref: user("bare"), State: engine.SoftDeleted},
				{Ref: user("gone"), State: engine.HardDeleted},
				{Ref: user("full"), State: engine.Active, Attributes: mapping.Attributes{
					"text": "Zoë \"quoted\" \\ <b>&\u2028 \x00 tab\t line\n", "yes": true, "int": int64(1) << 60, "negative": int64(-3),
					"float": 2.5, "whole": 3.0, "list": []any{"b", "a", int64(1), nil}, "object": map[string]any{"deep": []any{map[string]any{"x": "y"}}},
					"long": strings.Repeat("x", 100_000), "emptyList": []any{}, "emptyText": ""}},
			}
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: objects})
			stored := got(c.s.Objects(c.Context(), c.job, engine.User, []string{"null", "empty", "bare", "gone", "full", "unknown"}))(c)
			if len(stored) != len(objects) {
				c.Errorf("%d objects are known, want %d", len(stored), len(objects))
			}
			for _, o := range objects {
				s := stored[o.ID]
				if diff := cmp.Diff(o, s.Object); diff != "" { // nil and empty differ here
					c.Errorf("%s (-want +got):\n%s", o.ID, diff)
				}
				if s.Generation != 1 || s.ChangedAt.IsZero() || s.ChangedAt.Location() != time.UTC {
					c.Errorf("%s: generation %d, changed at %v", o.ID, s.Generation, s.ChangedAt)
				}
			}
		}},
		{"the last of several objects, edges or assignments counts", func(c *storeCase) {
			old, young := active(user("u1")), active(user("u1"))
			young.Attributes = mapping.Attributes{"displayName": "young"}
			other := assigned("a1", user("u2"))
			other.RoleName = "Other"
			c.link(user("u1"), user("u2"))
			c.round(engine.FeedUsers, true, engine.PageWrite{
				Objects:     []engine.Object{old, young, active(user("u2"))},
				Edges:       []engine.Edge{manager("u1", "u2"), removed(manager("u1", "u2")), removed(manager("u2", "u1")), manager("u2", "u1")},
				Assignments: []engine.Assignment{assigned("a1", user("u2")), other},
			})
			c.equal("object", got(c.s.Objects(c.Context(), c.job, engine.User, []string{"u1"}))(c)["u1"].Object, young)
			c.equal("edge removed", c.waiting(user("u1"), engine.Manager), nil)
			c.equal("edge added", c.waiting(user("u2"), engine.Manager), []string{"+user:u1"})
			c.equal("assignment", got(c.s.AssignmentPaths(c.Context(), c.job, engine.User, []string{"u2"}))(c)["u2"][0].RoleName, "Other")
		}},
		{"objects are marked as seen, ChangedAt tells of changes only", func(c *storeCase) {
			ctx := c.Context()
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1")), active(user("u2")), active(user("u3"))}})
			before := got(c.s.Objects(ctx, c.job, engine.User, []string{"u1", "u2", "u3"}))(c)
			g := c.open(engine.FeedUsers, true).Generation
			moved := active(user("u2"))
			moved.Attributes["displayName"] = "moved"
			c.save(engine.FeedUsers, engine.PageWrite{Generation: g, Objects: []engine.Object{active(user("u1")), moved}, Seen: []engine.Ref{user("u3"), user("unknown")}})
			after := got(c.s.Objects(ctx, c.job, engine.User, []string{"u1", "u2", "u3", "unknown"}))(c)
			if len(after) != 3 {
				c.Errorf("%d objects, want 3: seeing an unknown object makes none", len(after))
			}
			for id, o := range after {
				if o.Generation != g {
					c.Errorf("%s has generation %d, want %d", id, o.Generation, g)
				}
				if changed := !o.ChangedAt.Equal(before[id].ChangedAt); changed != (id == "u2") {
					c.Errorf("%s: ChangedAt %v became %v", id, before[id].ChangedAt, o.ChangedAt)
				}
			}
		}},
		{"unseen objects and counts of a full round", func(c *storeCase) {
			ctx := c.Context()
			var objects []engine.Object
			for i := range 5 {
				objects = append(objects, active(user(fmt.Sprint("u", i))))
			}
			bare, recycled := engine.Object{Ref: user("u5"), State: engine.Active}, engine.Object{Ref: user("u6"), State: engine.SoftDeleted}
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: append(objects, bare, recycled, active(group("u0")))})
			g := c.open(engine.FeedUsers, true).Generation
			c.save(engine.FeedUsers, engine.PageWrite{Generation: g, Objects: objects[1:2], Seen: []engine.Ref{user("u3")}})
			c.equal("unseen", got(c.s.Unseen(ctx, c.job, engine.User, g, "", 10))(c), []string{"u0", "u2", "u4", "u5"})
			c.equal("first page", got(c.s.Unseen(ctx, c.job, engine.User, g, "", 2))(c), []string{"u0", "u2"})
			c.equal("second page", got(c.s.Unseen(ctx, c.job, engine.User, g, "u2", 2))(c), []string{"u4", "u5"})
			c.link(user("u6"))
			c.equal("one in the recycle bin is missed if it is linked", got(c.s.Unseen(ctx, c.job, engine.User, g, "u4", 10))(c), []string{"u5", "u6"})
			c.equal("groups", got(c.s.Unseen(ctx, c.job, engine.Group, g, "", 10))(c), []string{"u0"})
			known, seen, err := c.s.CountObjects(ctx, c.job, engine.User, g)
			c.must(err)
			c.equal("known, seen", []int{known, seen}, []int{5, 2})
			known, seen, err = c.s.CountObjects(ctx, "other", engine.User, g)
			c.must(err)
			c.equal("another job", []int{known, seen}, []int{0, 0})
		}},
		{"a full round of groups drops memberships it no longer has", func(c *storeCase) {
			c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", group("g1")), assigned("a3", group("g3"))}})
			c.round(engine.FeedGroups, true, engine.PageWrite{
				Objects: []engine.Object{conveying("g1"), conveying("g2"), conveying("g3")},
				Edges: []engine.Edge{member("g1", user("stays")), member("g1", user("leaves")), member("g1", group("nested")), member("g2", user("other")),
					member("g3", user("unseen"))},
			})
			c.link(group("g1"), group("g2"), group("g3"), user("leaves"))
			c.must(c.s.SettleEdges(c.Context(), c.job, "", engine.EdgesSettled{From: group("g1"), Relation: engine.Member, Added: []engine.Ref{user("leaves")}}))
			c.drain()
			g := c.open(engine.FeedGroups, true).Generation
			c.save(engine.FeedGroups, engine.PageWrite{Generation: g, Objects: []engine.Object{conveying("g1")}, Seen: []engine.Ref{group("g2")},
				Edges: []engine.Edge{member("g1", user("stays"))}})
			c.equal("nothing before the round ends", c.queued(), nil)
			c.must(c.s.CloseRound(c.Context(), c.job, engine.FeedGroups, "w2"))
			c.equal("queue: who left an assigned group", c.queued(), []string{"user:leaves"})
			c.equal("g1: what was exported is to be removed, the rest is forgotten", c.waiting(group("g1"), engine.Member), []string{"-user:leaves", "+user:stays"})
			c.equal("g2: only marked as seen", c.waiting(group("g2"), engine.Member), nil)
			c.equal("g3 was not seen", c.waiting(group("g3"), engine.Member), []string{"+user:unseen"})
			paths := got(c.s.AssignmentPaths(c.Context(), c.job, engine.User, []string{"stays", "leaves", "unseen"}))(c)
			if len(paths["leaves"]) != 0 || len(paths["stays"]) != 1 || len(paths["unseen"]) != 1 {
				c.Errorf("paths: %v", paths)
			}
		}},
		{"a full round of users drops managers it no longer has", func(c *storeCase) {
			c.link(user("u1"), user("u2"))
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1")), active(user("u2")), active(user("boss"))},
				Edges: []engine.Edge{manager("u1", "boss"), manager("u2", "boss")}})
			c.round(engine.FeedUsers, false, engine.PageWrite{Objects: []engine.Object{active(user("u1"))}})
			c.equal("a round of changes drops nothing", c.waiting(user("u1"), engine.Manager), []string{"+user:boss"})
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1"))}})
			c.equal("u1", c.waiting(user("u1"), engine.Manager), nil)
			c.equal("u2 was not seen", c.waiting(user("u2"), engine.Manager), []string{"+user:boss"})
			c.equal("managers do not matter for the scope", c.queued(), nil)
		}},
		{"a full round of assignments drops those it no longer has", func(c *storeCase) {
			c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{conveying("g1"), active(user("u1"))},
				Edges: []engine.Edge{member("g1", user("m1")), member("g1", user("m2")), member("g1", group("nested"))}})
			c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{
				assigned("a1", group("g1")), assigned("a2", user("u1")), assigned("a3", user("u2")), assigned("a4", user("u2"))}})
			c.drain()
			c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a3", user("u2"))}})
			c.equal("queue", c.queued(), []string{"group:g1", "user:m1", "user:m2", "user:u1", "user:u2"})
			paths := got(c.s.AssignmentPaths(c.Context(), c.job, engine.User, []string{"u1", "u2", "m1"}))(c)
			if len(paths) != 1 || len(paths["u2"]) != 1 {
				c.Errorf("paths: %v", paths)
			}
		}},
		{"a round is closed once", func(c *storeCase) {
			ctx := c.Context()
			c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{active(group("g1"))}, Edges: []engine.Edge{member("g1", user("u1"))}})
			before := got(c.s.FeedState(ctx, c.job, engine.FeedGroups))(c)
			c.must(c.s.CloseRound(ctx, c.job, engine.FeedGroups, "watermark"))
			c.equal("state", got(c.s.FeedState(ctx, c.job, engine.FeedGroups))(c), before)
			if err := c.s.CloseRound(ctx, c.job, engine.FeedGroups, "another"); err == nil {
				c.Error("no error for another watermark of a closed round")
			}
			if err := c.s.CloseRound(ctx, c.job, engine.FeedUsers, "w"); err == nil {
				c.Error("no error for a round that never was")
			}
		}},
		{"forgotten watermarks leave everything else", func(c *storeCase) {
			ctx := c.Context()
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1")), active(user("u2"))},
				Edges: []engine.Edge{manager("u1", "u2")}, Queue: []engine.Ref{user("u1")}})
			c.link(user("u1"), user("u2"))
			c.open(engine.FeedGroups, false)
			c.must(c.s.ForgetWatermarks(ctx, c.job))
			c.must(c.s.ForgetWatermarks(ctx, c.job))
			for _, f := range []engine.Feed{engine.FeedUsers, engine.FeedGroups} {
				s := got(c.s.FeedState(ctx, c.job, f))(c)
				if s.Watermark != "" || !s.WatermarkAt.IsZero() || s.Open {
					c.Errorf("%s: %+v", f, s)
				}
			}
			c.equal("generation", got(c.s.FeedState(ctx, c.job, engine.FeedUsers))(c).Generation, int64(1))
			c.equal("queue", c.queued(), []string{"user:u1"})
			c.equal("edges", c.waiting(user("u1"), engine.Manager), []string{"+user:u2"})
			got(c.s.Link(ctx, c.job, user("u2")))(c)
		}},
		{"an edge starts from the right kind", func(c *storeCase) {
			g := c.open(engine.FeedGroups, true).Generation
			for _, e := range []engine.Edge{
				{From: user("u1"), Relation: engine.Member, To: user("u2")},
				{From: group("g1"), Relation: engine.Manager, To: user("u2")},
				{From: group("g1"), Relation: "friend", To: user("u2")},
			} {
				if err := c.s.SavePage(c.Context(), c.job, engine.FeedGroups, engine.PageWrite{Generation: g, Edges: []engine.Edge{e}}); err == nil {
					c.Errorf("no error for %v", e)
				}
			}
		}},
	}
}

// scopeTests: whom a page puts up for evaluation because the scope may have changed.
func scopeTests() []storeTest {
	base := func(c *storeCase) { // g1 is assigned and conveys, g2 is not assigned
		c.round(engine.FeedAssignments, true, engine.PageWrite{Assignments: []engine.Assignment{assigned("a1", group("g1")), assigned("a2", user("u9"))}})
		c.round(engine.FeedGroups, true, engine.PageWrite{
			Objects: []engine.Object{conveying("g1"), conveying("g2"), active(group("mail"))},
			Edges:   []engine.Edge{member("g1", user("m1")), member("g1", user("m2")), member("g1", group("nested")), member("g2", user("x1"))},
		})
		c.drain()
	}
	role := assigned("a1", group("g1"))
	role.RoleID = "other"
	disabled := assigned("a2", user("u9"))
	disabled.Effective = false
	recycled := conveying("g1")
	recycled.State = engine.SoftDeleted
	mail := active(group("g1"))
	renamed := conveying("g1")
	renamed.Attributes = mapping.Attributes{"displayName": "renamed"}
	mail2 := active(group("g2"))
	table := []struct {
		name string
		page engine.PageWrite
		want []string
	}{
		{"new assignment of a user", engine.PageWrite{Assignments: []engine.Assignment{assigned("a3", user("u1"))}}, []string{"user:u1"}},
		{"new assignment of a group: with its users", engine.PageWrite{Assignments: []engine.Assignment{assigned("a3", group("g2"))}}, []string{"group:g2", "user:x1"}},
		{"role of an assignment changed", engine.PageWrite{Assignments: []engine.Assignment{role}}, []string{"group:g1", "user:m1", "user:m2"}},
		{"role disabled", engine.PageWrite{Assignments: []engine.Assignment{disabled}}, []string{"user:u9"}},
		{"assignment went to another principal", engine.PageWrite{Assignments: []engine.Assignment{assigned("a2", user("u8"))}}, []string{"user:u8", "user:u9"}},
		{"same assignment", engine.PageWrite{Assignments: []engine.Assignment{assigned("a2", user("u9"))}}, nil},
		{"member joined an assigned group", engine.PageWrite{Edges: []engine.Edge{member("g1", user("m3"))}}, []string{"user:m3"}},
		{"member is still there", engine.PageWrite{Edges: []engine.Edge{member("g1", user("m1"))}}, nil},
		{"member left an assigned group", engine.PageWrite{Edges: []engine.Edge{removed(member("g1", user("m1")))}}, []string{"user:m1"}},
		{"somebody left who was no member", engine.PageWrite{Edges: []engine.Edge{removed(member("g1", user("m9")))}}, nil},
		{"group joined an assigned group", engine.PageWrite{Edges: []engine.Edge{member("g1", group("g2"))}}, nil},
		{"members of other groups", engine.PageWrite{Edges: []engine.Edge{member("g2", user("x2")), removed(member("g2", user("x1")))}}, nil},
		{"manager changed", engine.PageWrite{Edges: []engine.Edge{manager("m1", "m2")}}, nil},
		{"assigned group stopped conveying", engine.PageWrite{Objects: []engine.Object{mail}}, []string{"user:m1", "user:m2"}},
		{"assigned group was recycled", engine.PageWrite{Objects: []engine.Object{recycled}}, []string{"user:m1", "user:m2"}},
		{"assigned group was renamed", engine.PageWrite{Objects: []engine.Object{renamed}}, nil},
		{"other group stopped conveying", engine.PageWrite{Objects: []engine.Object{mail2}}, nil},
		{"assignment and member on one page", engine.PageWrite{
			Edges: []engine.Edge{member("mail", user("n1"))}, Assignments: []engine.Assignment{assigned("a4", group("mail"))},
		}, []string{"group:mail", "user:n1"}},
		{"named by the caller, once", engine.PageWrite{
			Edges: []engine.Edge{member("g1", user("m3"))}, Queue: []engine.Ref{user("m3"), user("m3"), group("g7")},
		}, []string{"group:g7", "user:m3"}},
	}
	var tests []storeTest
	for _, row := range table {
		tests = append(tests, storeTest{row.name, func(c *storeCase) {
			base(c)
			page := row.page
			page.Generation = c.open(engine.FeedGroups, false).Generation
			c.save(engine.FeedGroups, page)
			if diff := cmp.Diff(row.want, c.queued(), cmpopts.EquateEmpty()); diff != "" {
				c.Errorf("queue (-want +got):\n%s", diff)
			}
			c.drain()
			page.Queue = nil
			c.save(engine.FeedGroups, page)
			c.equal("queue after the same page again", c.queued(), nil)
		}})
	}
	return tests
}
