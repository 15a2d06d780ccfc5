package decide

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/mapping"
)

// Explain says in words, a fact a line, why an object is in scope or not: its state at the source, every way in which it is assigned
// and whether that counts, every filter with its clauses, and the conclusion last. Lines hold names and attribute values: they are
// for people with access to the log.
func Explain(f Facts, ways []Way, filter mapping.FilterResult) []string {
	out := []string{explainState(f)}
	out = append(out, explainAssignments(f, ways)...)
	out = append(out, explainFilter(filter)...)
	return append(out, conclusion(f))
}

// Way is one way in which an object may be assigned. Other than an [engine.AssignmentPath] alone it tells of ways that lead
// nowhere, too.
type Way struct {
	engine.AssignmentPath
	Group   string   // what the group Via is called, "" if that is not known
	Between []string // what the groups are called that lie between that group and the object, the outermost first
	Dead    DeadEnd
}

// DeadEnd is why an assignment of a group does not extend to somebody who is in it.
type DeadEnd string

const (
	Extends    DeadEnd = ""         // it does
	NotSecure  DeadEnd = "unsecure" // the group is not security-enabled (GS-AS-3)
	NestedOnly DeadEnd = "nested"   // only a group in between is a member of it, and the job does not expand nested groups (13.2)
)

func explainState(f Facts) string {
	switch {
	case f.State == engine.HardDeleted:
		return "State: deleted at the source for good."
	case f.State == engine.SoftDeleted:
		return "State: in the recycle bin of the source (soft-deleted); it can be restored."
	case f.Kind == engine.Group:
		return "State: it exists at the source."
	case !f.Factors.Enabled:
		return "State: the sign-in is blocked at the source (accountEnabled is false)."
	default:
		return "State: enabled at the source."
	}
}

func explainAssignments(f Facts, ways []Way) []string {
	if len(ways) == 0 {
		if f.Factors.Assigned {
			return []string{"Assignment: the job takes everybody in the directory; assignments do not matter."}
		}
		return []string{"Assignment: none, neither directly nor through a group."}
	}
	var out []string
	for _, p := range ways {
		how := "directly"
		if p.Via != "" {
			how = "through the group " + strconv.Quote(cmp.Or(p.Group, p.Via))
		}
		for i, g := range p.Between {
			how += map[bool]string{true: ", which has the group ", false: ", and that the group "}[i == 0] + strconv.Quote(g)
		}
		if len(p.Between) > 0 {
			how += " as a member"
		}
		role := "with the role " + strconv.Quote(cmp.Or(p.RoleName, p.RoleValue, p.RoleID))
		if byDefault(p.AssignmentPath) {
			role = "with default access"
		}
		verdict := "this counts"
		switch {
		case p.Dead == NotSecure:
			verdict = "this does not count, because the group is not security-enabled, and so its assignment is not one of its members"
		case p.Dead == NestedOnly:
			verdict = "this does not count, because the job takes direct members only (nestedGroups: " + cmp.Or(string(f.Options.Nested), string(engine.NestedIgnore)) + "); nestedGroups: expand takes those of the groups inside as well"
		case !p.Effective:
			verdict = "this does not count, because the role is gone or switched off"
		case f.Options.RequireRole && byDefault(p.AssignmentPath):
			verdict = "this does not count, because the job requires a role other than default access"
		case !f.Factors.Assigned: // only a group can be assigned in vain
			verdict = "this does not count, because the group is not security-enabled"
		}
		out = append(out, fmt.Sprintf("Assignment: %s, %s: %s.", how, role, verdict))
	}
	return out
}

// byDefault reports whether an assignment is by the default access role (GS-AS-4).
func byDefault(p engine.AssignmentPath) bool { return p.RoleID == "" || p.RoleID == zeroRole }

func explainFilter(r mapping.FilterResult) []string {
	if len(r.Groups) == 0 {
		return []string{"Filter: none; everybody passes."}
	}
	var out []string
	for i, g := range r.Groups {
		title := strconv.Quote(cmp.Or(g.Name, fmt.Sprintf("%s filter %d", g.Kind, i+1)))
		if g.Kind != mapping.FilterScope {
			title = string(g.Kind) + " filter " + title
		}
		verdict := "passed"
		if !g.Pass {
			verdict = "not passed"
		}
		out = append(out, fmt.Sprintf("Filter: %s: %s.", title, verdict))
		for _, c := range g.Clauses {
			out = append(out, "Filter: "+title+": "+explainClause(c))
		}
	}
	if r.Err != nil {
		out = append(out, "Filter: it could not be judged: "+r.Err.Error()+".")
	}
	return out
}

func explainClause(c mapping.ClauseResult) string {
	var wanted []string
	for _, v := range c.Values {
		wanted = append(wanted, strconv.Quote(v))
	}
	clause := strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Attribute, c.Operator, strings.Join(wanted, ", ")))
	verdict := "true"
	if !c.Pass {
		verdict = "false"
	}
	s := fmt.Sprintf("%s is %s: the value is %s", clause, verdict, actual(c.Actual))
	if c.Note != "" {
		s += " (" + c.Note + ")"
	}
	return s + "."
}

// actual is a source value as people read it.
func actual(v any) string {
	switch x := v.(type) {
	case nil:
		return "empty"
	case string:
		return strconv.Quote(x)
	}
	b, err := json.Marshal(v)
	if err != nil { // sources tell JSON values only
		return fmt.Sprint(v)
	}
	return string(b)
}

// conclusion names the first factor that decides, in the order of the tables (section 11).
func conclusion(f Facts) string {
	x := f.Factors
	why := ""
	switch {
	case f.Mapping != nil && !f.Mapping.Enabled:
		why = "the job does not provision " + string(f.Kind) + "s"
	case x.Ignored:
		return "Conclusion: left alone, neither provisioned nor deprovisioned, because of an input or category filter: " + cmp.Or(x.Filter, "it could not be judged") + "."
	default:
		why = OutOfScope(f.State, x)
	}
	if why == "" {
		return "Conclusion: in scope and entitled; it is provisioned."
	}
	s := "Conclusion: not provisioned, because " + why + "."
	if letGo(f) {
		s += " Its account was released earlier and is not managed any more."
	}
	if f.Link != nil && !f.Link.DeleteAt.IsZero() {
		s += " Its account waits to be deleted at " + stamp(f.Link.DeleteAt) + "."
	}
	return s
}

// OutOfScope says why an object is not entitled, by the first factor that decides in the order of the tables (section
// 11); "" if it is.
func OutOfScope(state engine.LifeState, x Factors) string {
	switch {
	case x.Ignored:
		return "an input or category filter excludes it"
	case state == engine.HardDeleted:
		return "it was deleted at the source"
	case state == engine.SoftDeleted:
		return "it is in the recycle bin of the source"
	case !x.Assigned:
		return "it is not assigned to the application"
	case !x.RoleOK:
		return "no assignment carries a role that counts"
	case !x.InFilter:
		return "it does not pass the scoping filter " + x.Filter
	case !x.Enabled:
		return "its sign-in is blocked at the source"
	default:
		return ""
	}
}
