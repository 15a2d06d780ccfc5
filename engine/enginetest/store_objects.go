package enginetest

import (
	"time"

	"fmt"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

func objectTests() []storeTest {
	return []storeTest{
		{"objects put outside of a feed", func(c *storeCase) {
			ctx := c.Context()
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("u1")), active(user("u2"))}})
			before := got(c.s.Objects(ctx, c.job, engine.User, []string{"u1", "u2"}))(c)
			gone := engine.Object{Ref: user("u1"), State: engine.HardDeleted}
			put := []engine.Object{gone, active(user("u2")), active(user("u3"))}
			c.must(c.s.PutObjects(ctx, c.job, put, []engine.Ref{user("u1"), user("u3"), user("u3")}))
			after := got(c.s.Objects(ctx, c.job, engine.User, []string{"u1", "u2", "u3"}))(c)
			for i, id := range []string{"u1", "u2", "u3"} {
				c.equal(id, after[id].Object, put[i])
			}
			if after["u1"].Generation != 1 || after["u3"].Generation != 0 {
				c.Errorf("a lookup marks nothing as seen: generations %d and %d, want 1 and 0", after["u1"].Generation, after["u3"].Generation)
			}
			if after["u1"].ChangedAt.Equal(before["u1"].ChangedAt) || !after["u2"].ChangedAt.Equal(before["u2"].ChangedAt) {
				c.Error("ChangedAt moves with a change and only with one")
			}
			c.equal("queue", c.queued(), []string{"user:u1", "user:u3"})
			c.must(c.s.PutObjects(ctx, c.job, put, nil))
			c.equal("the second time", got(c.s.Objects(ctx, c.job, engine.User, []string{"u1", "u2", "u3"}))(c), after)
			c.equal("another job", got(c.s.Objects(ctx, "other", engine.User, []string{"u1"}))(c), nil)
			c.equal("another kind", got(c.s.Objects(ctx, c.job, engine.Group, []string{"u1"}))(c), nil)
		}},
		{"a group that was looked up and conveys no more queues its users", func(c *storeCase) {
			c.round(engine.FeedGroups, true, engine.PageWrite{Objects: []engine.Object{conveying("g1")},
				Edges: []engine.Edge{member("g1", user("u1"))}, Assignments: []engine.Assignment{assigned("a1", group("g1"))}})
			c.drain()
			c.must(c.s.PutObjects(c.Context(), c.job, []engine.Object{{Ref: group("g1"), State: engine.HardDeleted}}, nil))
			c.equal("queue", c.queued(), []string{"user:u1"})
		}},
		{"nothing asked, nothing answered", func(c *storeCase) {
			ctx := c.Context()
			c.equal("objects", got(c.s.Objects(ctx, c.job, engine.User, nil))(c), nil)
			c.equal("paths", got(c.s.AssignmentPaths(ctx, c.job, engine.User, nil))(c), nil)
			c.must(c.s.PutObjects(ctx, c.job, nil, nil))
			c.must(c.s.Enqueue(ctx, c.job, nil))
			c.must(c.s.Plan(ctx, c.job, nil))
			c.must(c.s.NoteSent(ctx, c.job, nil))
			c.must(c.s.Settle(ctx, c.job, "", nil))
		}},
		{"assignment paths", func(c *storeCase) {
			ctx := c.Context()
			recycled := conveying("recycled")
			recycled.State = engine.SoftDeleted
			second := assigned("a2", group("g1"))
			second.RoleID, second.RoleValue, second.RoleName, second.Effective = "second", "v2", "Second", false
			c.round(engine.FeedGroups, true, engine.PageWrite{
				Objects: []engine.Object{conveying("g1"), conveying("g0"), conveying("free"), active(group("mail")), recycled, conveying("outer")},
				Edges: []engine.Edge{
					member("g1", user("u1")), member("g0", user("u1")), member("free", user("u1")), member("mail", user("u1")),
					member("recycled", user("u1")), member("g1", user("left")), member("outer", group("inner")), member("inner", user("deep")),
					member("unknown", user("stray")), member("outer", group("g1")), manager("boss", "u1"),
				},
				Assignments: []engine.Assignment{
					assigned("a1", group("g1")), second, assigned("a0", group("g0")), assigned("a3", group("mail")), assigned("a4", group("recycled")),
					assigned("a5", group("outer")), assigned("a6", group("unknown")), assigned("a7", user("u1")), assigned("a8", user("nobody")),
				},
			})
			c.save(engine.FeedGroups, engine.PageWrite{Generation: c.open(engine.FeedGroups, false).Generation, Edges: []engine.Edge{removed(member("g1", user("left")))}})
			path := func(via string) engine.AssignmentPath {
				return engine.AssignmentPath{Via: via, RoleID: "role", RoleValue: "value", RoleName: "Role", Effective: true}
			}
			ineffective := engine.AssignmentPath{Via: "g1", RoleID: "second", RoleValue: "v2", RoleName: "Second"}
			ids := []string{"u1", "left", "deep", "stray", "nobody", "boss", "absent"}
			want := map[string][]engine.AssignmentPath{
				"u1":     {path(""), path("g0"), path("g1"), ineffective},
				"nobody": {path("")}, // assigned, though nothing else is known
			}
			c.equal("users", got(c.s.AssignmentPaths(ctx, c.job, engine.User, ids))(c), want)
			direct := ineffective
			direct.Via = ""
			c.equal("groups are assigned directly only", got(c.s.AssignmentPaths(ctx, c.job, engine.Group, []string{"g1", "inner", "free", "mail"}))(c),
				map[string][]engine.AssignmentPath{"g1": {path(""), direct}, "mail": {path("")}})
			c.equal("another job", got(c.s.AssignmentPaths(ctx, "other", engine.User, ids))(c), nil)
		}},
		{"bare objects", func(c *storeCase) {
			ctx := c.Context()
			bare := func(r engine.Ref) engine.Object { return engine.Object{Ref: r, State: engine.Active} }
			recycled := bare(user("recycled"))
			recycled.State = engine.SoftDeleted
			empty := bare(user("empty"))
			empty.Attributes = mapping.Attributes{}
			c.round(engine.FeedGroups, true, engine.PageWrite{
				Objects: []engine.Object{conveying("g1"), bare(group("g2")), bare(user("direct")), bare(user("member")), bare(user("free")), recycled,
					empty, active(user("full")), bare(user("calm"))},
				Edges:       []engine.Edge{member("g1", user("member"))},
				Assignments: []engine.Assignment{assigned("a1", group("g1")), assigned("a2", user("direct")), assigned("a3", user("recycled")), assigned("a4", user("calm")), assigned("a5", user("full"))},
			})
			c.drain()
			c.must(c.s.Enqueue(ctx, c.job, []engine.Ref{group("g1"), group("g2"), user("direct"), user("member"), user("free"), user("recycled"), user("empty"), user("full"), user("unknown")}))
			c.equal("assigned users", got(c.s.Bare(ctx, c.job, engine.User, false, "", 10))(c), []string{"direct", "member"})
			c.equal("after a position", got(c.s.Bare(ctx, c.job, engine.User, false, "direct", 10))(c), []string{"member"})
			c.equal("one", got(c.s.Bare(ctx, c.job, engine.User, false, "", 1))(c), []string{"direct"})
			c.equal("all users", got(c.s.Bare(ctx, c.job, engine.User, true, "", 10))(c), []string{"direct", "free", "member"})
			c.equal("assigned groups", got(c.s.Bare(ctx, c.job, engine.Group, false, "", 10))(c), nil)
			c.equal("all groups", got(c.s.Bare(ctx, c.job, engine.Group, true, "", 10))(c), []string{"g2"})
		}},
		{"objects are listed by id, whatever is known of them", func(c *storeCase) {
			ctx := c.Context()
			bare := engine.Object{Ref: user("b"), State: engine.Active}
			gone := engine.Object{Ref: user("d"), State: engine.HardDeleted}
			c.round(engine.FeedUsers, true, engine.PageWrite{Objects: []engine.Object{active(user("c")), bare, active(user("a")), gone}})
			c.must(c.s.PutObjects(ctx, "other", []engine.Object{active(user("a2"))}, nil))
			c.must(c.s.PutObjects(ctx, c.job, []engine.Object{active(group("a1"))}, nil))
			page := func(after string, limit int) (names []string) {
				for _, o := range got(c.s.ListObjects(ctx, c.job, engine.User, after, limit))(c) {
					names = append(names, fmt.Sprintf("%s %s %s %v %d", o.Kind, o.ID, o.State, o.Attributes, o.Generation))
				}
				return names
			}
			c.equal("first page", page("", 3), []string{"user a active map[displayName:a] 1", "user b active map[] 1", "user c active map[displayName:c] 1"})
			c.equal("second page", page("c", 3), []string{"user d hardDeleted map[] 1"})
			c.equal("after the last", page("d", 3), nil)
			if list := got(c.s.ListObjects(ctx, c.job, engine.User, "a", 1))(c); len(list) != 1 || list[0].Attributes != nil {
				c.Errorf("an object that only its state is known of is listed as %+v", list)
			}
		}},
	}
}

func linkTests() []storeTest {
	return []storeTest{
		{"a link keeps all of its fields", func(c *storeCase) {
			ctx := c.Context()
			l := engine.Link{Ref: user("u1"), TargetID: "T-1", State: engine.Suspended, MatchedBy: "userName", Name: "Zoë", Disabled: true, Recycled: true,
				Exported: map[string]any{"username": "zoe", "active": false, "n": int64(7), "emails": []any{map[string]any{"value": "z@example.com"}}},
				Verify:   true, CreatedAt: now, UpdatedAt: now.Add(1e9), LastCycle: "c1", LastBucket: engine.BucketUpdated}
			c.must(c.s.PutLink(ctx, c.job, l, false))
			c.equal("link", got(c.s.Link(ctx, c.job, user("u1")))(c), l)
			c.equal("queue", c.queued(), nil)
			l.DeleteAt, l.Left, l.Recreated = now.AddDate(0, 1, 0), engine.NotAssigned, []time.Time{now, now.Add(time.Hour)}
			c.must(c.s.PutLink(ctx, c.job, l, false))
			c.equal("with dates", got(c.s.Link(ctx, c.job, user("u1")))(c), l)
			l.DeleteAt, l.Left, l.Recreated = time.Time{}, "", nil
			l.Exported, l.Verify = nil, false
			c.must(c.s.PutLink(ctx, c.job, l, true))
			c.must(c.s.PutLink(ctx, c.job, l, true))
			c.equal("changed", got(c.s.Link(ctx, c.job, user("u1")))(c), l)
			c.equal("queue", c.queued(), []string{"user:u1"})
			l.State = engine.LinkNone
			if err := c.s.PutLink(ctx, c.job, l, true); err == nil {
				c.Error("no error for a link of state none")
			}
		}},
		{"no link is an error of its own", func(c *storeCase) {
			_, err := c.s.Link(c.Context(), c.job, user("u1"))
			c.wraps(err, engine.ErrNoLink)
			c.link(user("u1"))
			_, err = c.s.Link(c.Context(), "other", user("u1"))
			c.wraps(err, engine.ErrNoLink)
			_, err = c.s.Link(c.Context(), c.job, group("u1"))
			c.wraps(err, engine.ErrNoLink)
		}},
		{"links are found by either end, listed and counted", func(c *storeCase) {
			ctx := c.Context()
			c.link(user("u2"), user("u1"), user("u3"), group("u1"))
			released := linkOf(user("u3"))
			released.State = engine.Released
			c.must(c.s.PutLink(ctx, c.job, *released, false))
			ids := func(m map[string]engine.Link) map[string]string {
				out := map[string]string{}
				for key, l := range m {
					out[key] = string(l.Kind) + ":" + l.ID + ">" + l.TargetID
				}
				return out
			}
			c.equal("by target", ids(got(c.s.LinkedTo(ctx, c.job, engine.User, []string{"t-u1", "t-u3", "t-u9"}))(c)),
				map[string]string{"t-u1": "user:u1>t-u1", "t-u3": "user:u3>t-u3"})
			c.equal("by source", ids(got(c.s.LinksOf(ctx, c.job, engine.User, []string{"u1", "u2", "u9"}))(c)),
				map[string]string{"u1": "user:u1>t-u1", "u2": "user:u2>t-u2"})
			c.equal("nothing asked", got(c.s.LinkedTo(ctx, c.job, engine.User, nil))(c), nil)
			var list []string
			for after := ""; ; {
				page := got(c.s.Links(ctx, c.job, engine.User, after, 2))(c)
				if len(page) == 0 {
					break
				}
				for _, l := range page {
					list = append(list, l.ID)
				}
				after = page[len(page)-1].ID
			}
			c.equal("listed", list, []string{"u1", "u2", "u3"})
			c.equal("counted", got(c.s.CountLinks(ctx, c.job, engine.User))(c), map[engine.LinkState]int{engine.Managed: 2, engine.Released: 1})
			c.equal("counted elsewhere", got(c.s.CountLinks(ctx, "other", engine.User))(c), nil)
		}},
		{"a target object has one link", func(c *storeCase) {
			ctx := c.Context()
			c.link(user("u1"))
			thief := linkOf(user("u2"))
			thief.TargetID = "t-u1"
			c.wraps(c.s.PutLink(ctx, c.job, *thief, true), engine.ErrLinkTaken)
			c.equal("queue", c.queued(), nil)
			thief.Ref = group("u2")
			c.must(c.s.PutLink(ctx, c.job, *thief, false)) // ids of groups are another space
			thief.Ref = user("u2")
			c.must(c.s.PutLink(ctx, "other", *thief, false))
		}},
		{"a link made by hand wakes the edges of its object", func(c *storeCase) {
			ctx := c.Context()
			c.round(engine.FeedGroups, true, engine.PageWrite{Edges: []engine.Edge{member("g1", user("u1"))}})
			c.link(group("g1"))
			sleep := engine.EdgesSettled{From: group("g1"), Relation: engine.Member, Asleep: []engine.Ref{user("u1")}}
			c.must(c.s.SettleEdges(ctx, c.job, "", sleep))
			c.equal("asleep", c.waiting(group("g1"), engine.Member), nil)
			c.must(c.s.PutLink(ctx, c.job, *linkOf(user("u1")), false))
			c.equal("awake", c.waiting(group("g1"), engine.Member), []string{"+user:u1"})
			c.must(c.s.SettleEdges(ctx, c.job, "", engine.EdgesSettled{From: group("g1"), Relation: engine.Member, Added: []engine.Ref{user("u1")}}))
			same := linkOf(user("u1"))
			same.Verify = true
			c.must(c.s.PutLink(ctx, c.job, *same, false))
			c.equal("the same target object", c.waiting(group("g1"), engine.Member), nil)
			same.TargetID = "t-new"
			c.must(c.s.PutLink(ctx, c.job, *same, false))
			c.equal("another target object", c.waiting(group("g1"), engine.Member), []string{"+user:u1"})
		}},
	}
}
