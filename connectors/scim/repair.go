package scim

import (
	"net/http"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// maxRepairs is how many repairs one request gets in all, each kind once (26.1).
const maxRepairs = 3

// repair re-sends the same meaning in another shape (section 26). It never changes values.
type repair struct {
	name      string // for the log, and to learn by: "R1 booleans"
	apply     func(*shape)
	learnable bool
}

func tried(used []repair, name string) bool {
	return slices.ContainsFunc(used, func(r repair) bool { return r.name == name })
}

// repairUpdate chooses the repair for a refused PATCH or PUT, in the order of section 18.3.
func (c *Client) repairUpdate(k engine.Kind, f *failure, changes []engine.AttributeChange, sh *shape, used []repair) (repair, bool) {
	if len(used) >= maxRepairs {
		return repair{}, false
	}
	for _, r := range c.candidates(k, f, changes, sh) {
		// Undoing the last repair would only turn back and forth. Undoing an earlier one may be right: it
		// was made before the one that helped.
		if !tried(used, r.name) && (len(used) == 0 || used[len(used)-1].name != opposite(r.name)) {
			return r, true
		}
	}
	return repair{}, false
}

// lasting are the repairs that were not undone by a later one.
func lasting(used []repair) []repair {
	var out []repair
	for i, r := range used {
		if !tried(used[i+1:], opposite(r.name)) {
			out = append(out, r)
		}
	}
	return out
}

// opposite names the repair that undoes another, so that a request is not turned back and forth.
func opposite(name string) string {
	switch name {
	case "R1 text booleans":
		return "R1 booleans"
	case "R1 booleans":
		return "R1 text booleans"
	case "R6 manager as object":
		return "R6 manager as text"
	case "R6 manager as text":
		return "R6 manager as object"
	}
	return ""
}

// candidates lists the repairs that fit an answer, the likeliest first.
func (c *Client) candidates(k engine.Kind, f *failure, changes []engine.AttributeChange, sh *shape) []repair {
	var out []repair
	add := func(ok bool, name string, learnable bool, apply func(*shape)) {
		if ok {
			out = append(out, repair{name, apply, learnable})
		}
	}
	// 405 and 501: the method. It is an option of its own and works with repair off, too.
	if f.status == http.StatusMethodNotAllowed || f.status == http.StatusNotImplemented {
		add(k == engine.User && !sh.interop && !sh.put && c.set.User.UpdateMethod == "auto", "R7 put", true, func(s *shape) { s.put = true })
		add(k == engine.User && sh.put && c.set.User.UpdateMethod == "auto", "R7 patch", true, func(s *shape) { s.put = false })
	}
	if !c.set.repair {
		return out
	}
	switch f.status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusNotImplemented:
	default:
		return out
	}
	has := contents(changes, sh)
	word := f.said.scimType
	general := word == "" || word == "invalidSyntax" || word == "invalidValue"
	about := func(words ...string) bool { return f.said.says(words...) }

	// A server that names the operation means the operation.
	add(has.add && (word == "invalidSyntax" || word == "") && about("\"add\"", "'add'", "add is"), "R2 replace for add", true, func(s *shape) { s.noAdd = true })
	add(!sh.lowerOps && (word == "invalidSyntax" || word == "") && about("\"op\"", "op ", "operation", "enum", "valid choice") && !about("boolean", "active"), "R2 lower case", true, func(s *shape) { s.lowerOps = true })

	booleans := word == "invalidValue" || about("boolean", "bool") || about("active") && general || has.alone && general
	add(has.boolean && booleans && sh.textBooleans, "R1 booleans", true, func(s *shape) { s.textBooleans = false })
	add(has.boolean && booleans && !sh.textBooleans, "R1 text booleans", true, func(s *shape) { s.textBooleans = true })

	manager := has.manager && (word == "invalidValue" || word == "invalidSyntax" || word == "invalidPath" || about("manager", "object", "string") || general)
	add(manager && !sh.managerObject, "R6 manager as object", true, func(s *shape) { s.managerObject = true })
	add(manager && sh.managerObject, "R6 manager as text", true, func(s *shape) { s.managerObject = false })

	operation := word == "invalidSyntax" || word == "" && f.said.detail == "" || about("\"op\"", "op ", "operation", "enum", "not a valid choice")
	add(operation && !sh.lowerOps, "R2 lower case", true, func(s *shape) { s.lowerOps = true })
	add((operation || has.alone && general) && has.add, "R2 replace for add", true, func(s *shape) { s.noAdd = true })

	add(has.pathless && word != "noTarget" && word != "mutability" && word != "uniqueness", "R3 a path each", true, func(s *shape) { s.pathless = false })

	filters := word == "invalidPath" || word == "invalidFilter" || word == "" && about("path", "filter", "[") || f.status == http.StatusNotImplemented
	add(has.absent && word == "noTarget", "R4 whole element", false, func(s *shape) { s.wholeElement = true })
	add(has.typed && (filters || word == "noTarget"), "R4 whole list", word != "noTarget", func(s *shape) { s.filterPaths = false })

	// Nothing that the answer names: what strict servers refuse most often, in turn.
	add(general && has.absent, "R4 whole element", false, func(s *shape) { s.wholeElement = true })
	add((word == "" || word == "invalidSyntax") && !sh.lowerOps, "R2 lower case", true, func(s *shape) { s.lowerOps = true })
	return out
}

// content is what a request holds that a repair could be about.
type content struct {
	boolean, manager, add, pathless, alone bool
	typed, absent                          bool // a typed element, one that the target seems to lack
}

func contents(changes []engine.AttributeChange, sh *shape) content {
	var has content
	simple := map[string]int{}
	for i := range changes {
		ch := &changes[i]
		_, isBool := ch.New.(bool)
		_, list := ch.New.([]any)
		ref := isReference(ch)
		has.boolean = has.boolean || isBool
		has.manager = has.manager || ref
		has.typed = has.typed || len(ch.Path.Filter) > 0 && sh.filterPaths
		has.absent = has.absent || len(ch.Path.Filter) > 0 && sh.filterPaths && ch.Old == nil && ch.New != nil
		has.add = has.add || ch.Old == nil && ch.New != nil && !list && !ch.Additive && !sh.noAdd
		if ch.New != nil && !list && !ref && len(ch.Path.Filter) == 0 {
			word := "replace"
			if ch.Old == nil && !sh.noAdd {
				word = "add"
			}
			simple[word]++
		}
	}
	has.pathless = sh.pathless && (simple["add"] > 1 || simple["replace"] > 1)
	has.alone = len(changes) == 1 && has.boolean
	return has
}

// repairCreate chooses the repair for a refused create.
func (c *Client) repairCreate(k engine.Kind, f *failure, sh *shape, used []repair) (repair, bool) {
	if !c.set.repair || f.status != http.StatusBadRequest && f.status != http.StatusUnprocessableEntity {
		return repair{}, false
	}
	users, groups := !sh.otherUsers, !sh.otherGroups
	r := repair{"R9 schemas of users", func(s *shape) { s.otherUsers = users }, true}
	if k == engine.Group {
		r = repair{"R9 schemas of groups", func(s *shape) { s.otherGroups = groups }, true}
	}
	// Of a group there is nothing but its name and the schemas to refuse.
	vague := k == engine.Group && (f.said.scimType == "" || f.said.scimType == "invalidSyntax")
	if (vague || f.said.says("schemas", "schema")) && !tried(used, r.name) {
		return r, true
	}
	return repair{}, false
}

// names reports whether an error is about the attribute at a path.
func (f *failure) names(p engine.Path) bool {
	d := strings.ToLower(f.said.detail)
	for _, name := range []string{p.Key(), strings.ToLower(p.Attribute)} {
		for rest := d; name != ""; {
			i := strings.Index(rest, name)
			if i < 0 {
				break
			}
			if !letterAt(rest, i-1) && !letterAt(rest, i+len(name)) {
				return true
			}
			rest = rest[i+len(name):]
		}
	}
	return false
}

func letterAt(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	c := s[i]
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_'
}
