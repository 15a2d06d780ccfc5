package graphtest

import (
	"net/url"
	"slices"
	"strings"
)

// A grant is a set of application permissions.
type grant uint8

const (
	readUsers  grant = 1 << iota // User.Read.All
	readGroups                   // GroupMember.Read.All, Group.Read.All
	readApps                     // Application.Read.All
	writeAll                     // the ReadWrite permissions
	readAll                      // Directory.Read.All, where nothing less is enough
	open       grant = 1 << 7    // no token asked for
	everything       = readUsers | readGroups | readApps | writeAll | readAll
)

// A route is one line of the specification's table of endpoints.
type route struct {
	method   string
	template string // {} stands for any segment
	need     grant
	base     int    // units, before $select and $top
	options  string // known query options
	feed     string // a delta feed's name
	do       func(*call) answer

	parts []string
}

const (
	listOptions  = "$select $top $filter $count $skiptoken"
	deltaOptions = "$select $filter $deltatoken $skiptoken $top $expand $orderby $search $count"
	oneOptions   = "$select"
)

// routes are all endpoints; the first that fits answers.
var routes = prepare([]route{
	{method: "POST", template: "/{}/oauth2/v2.0/token", need: open, do: (*call).token},
	{method: "GET", template: "/{}/v2.0/.well-known/openid-configuration", need: open, do: (*call).discovery},

	{method: "GET", template: "/users/delta", need: readUsers, base: 1, options: deltaOptions, feed: "users", do: func(c *call) answer { return c.delta(users) }},
	{method: "GET", template: "/groups/delta", need: readGroups, base: 1, options: deltaOptions, feed: "groups", do: func(c *call) answer { return c.delta(groups) }},
	{method: "GET", template: "/servicePrincipals/delta", need: readApps, base: 1, options: deltaOptions, feed: "servicePrincipals", do: func(c *call) answer { return c.delta(servicePrincipals) }},

	{method: "GET", template: "/users", need: readUsers, base: 2, options: listOptions, do: func(c *call) answer { return c.list(users) }},
	{method: "POST", template: "/users", need: writeAll, base: 1, do: (*call).createUser},
	{method: "GET", template: "/users/{}", need: readUsers, base: 1, options: oneOptions, do: func(c *call) answer { return c.read(users) }},
	{method: "PATCH", template: "/users/{}", need: writeAll, base: 1, do: func(c *call) answer { return c.patch(users) }},
	{method: "DELETE", template: "/users/{}", need: writeAll, base: 1, do: func(c *call) answer { return c.delete(users) }},
	{method: "GET", template: "/users/{}/manager", need: readUsers, base: 1, options: oneOptions, do: (*call).readManager},
	{method: "PUT", template: "/users/{}/manager/$ref", need: writeAll, base: 1, do: (*call).putManager},
	{method: "DELETE", template: "/users/{}/manager/$ref", need: writeAll, base: 1, do: (*call).deleteManager},
	{method: "GET", template: "/users/{}/appRoleAssignments", need: readAll, base: 2, options: listOptions, do: func(c *call) answer { return c.grantsOf(users) }},
	{method: "GET", template: "/users/{}/memberOf", need: readGroups, base: 2, options: listOptions, do: func(c *call) answer { return c.memberOf(users) }},
	{method: "GET", template: "/users/{}/memberOf/{}", need: readGroups, base: 2, options: listOptions, do: func(c *call) answer { return c.memberOf(users) }},
	{method: "GET", template: "/users/{}/transitiveMemberOf", need: readGroups, base: 2, options: listOptions, do: func(c *call) answer { return c.transitiveMemberOf(users) }},
	{method: "GET", template: "/users/{}/transitiveMemberOf/{}", need: readGroups, base: 2, options: listOptions, do: func(c *call) answer { return c.transitiveMemberOf(users) }},

	{method: "GET", template: "/groups", need: readGroups, base: 1, options: listOptions, do: func(c *call) answer { return c.list(groups) }},
	{method: "POST", template: "/groups", need: writeAll, base: 1, do: (*call).createGroup},
	{method: "GET", template: "/groups/{}", need: readGroups, base: 1, options: oneOptions, do: func(c *call) answer { return c.read(groups) }},
	{method: "PATCH", template: "/groups/{}", need: writeAll, base: 1, do: func(c *call) answer { return c.patch(groups) }},
	{method: "DELETE", template: "/groups/{}", need: writeAll, base: 1, do: func(c *call) answer { return c.delete(groups) }},
	{method: "GET", template: "/groups/{}/members", need: readGroups, base: 3, options: listOptions, do: (*call).members},
	{method: "GET", template: "/groups/{}/memberOf", need: readGroups, base: 1, options: listOptions, do: func(c *call) answer { return c.memberOf(groups) }},
	{method: "GET", template: "/groups/{}/memberOf/{}", need: readGroups, base: 1, options: listOptions, do: func(c *call) answer { return c.memberOf(groups) }},
	{method: "GET", template: "/groups/{}/transitiveMemberOf", need: readGroups, base: 1, options: listOptions, do: func(c *call) answer { return c.transitiveMemberOf(groups) }},
	{method: "GET", template: "/groups/{}/transitiveMemberOf/{}", need: readGroups, base: 1, options: listOptions, do: func(c *call) answer { return c.transitiveMemberOf(groups) }},
	{method: "POST", template: "/groups/{}/members/$ref", need: writeAll, base: 1, do: (*call).addMemberRef},
	{method: "DELETE", template: "/groups/{}/members/{}/$ref", need: writeAll, base: 1, do: (*call).removeMemberRef},
	{method: "GET", template: "/groups/{}/members/{}", need: readGroups, base: 3, options: listOptions, do: (*call).members},
	{method: "GET", template: "/groups/{}/transitiveMembers", need: readGroups, base: 5, options: listOptions, do: (*call).transitiveMembers},
	{method: "GET", template: "/groups/{}/transitiveMembers/{}", need: readGroups, base: 5, options: listOptions, do: (*call).transitiveMembers},
	{method: "GET", template: "/groups/{}/appRoleAssignments", need: readAll, base: 1, options: listOptions, do: func(c *call) answer { return c.grantsOf(groups) }},

	{method: "GET", template: "/servicePrincipals", need: readApps, base: 1, options: listOptions, do: func(c *call) answer { return c.list(servicePrincipals) }},
	{method: "GET", template: "/servicePrincipals/{}", need: readApps, base: 1, options: oneOptions, do: func(c *call) answer { return c.read(servicePrincipals) }},
	{method: "GET", template: "/servicePrincipals/{}/appRoleAssignedTo", need: readApps, base: 1, options: listOptions, do: (*call).assignedTo},
	{method: "POST", template: "/servicePrincipals/{}/appRoleAssignedTo", need: writeAll, base: 1, do: (*call).createAssignment},
	{method: "DELETE", template: "/servicePrincipals/{}/appRoleAssignedTo/{}", need: writeAll, base: 1, do: (*call).deleteAssignment},

	{method: "POST", template: "/directory/deletedItems/{}/restore", need: writeAll, base: 1, do: (*call).restoreDeleted},
	{method: "GET", template: "/directory/deletedItems/{}", base: 1, options: listOptions + " $orderby", do: (*call).deletedItems},
	{method: "DELETE", template: "/directory/deletedItems/{}", need: writeAll, base: 1, do: (*call).purge},
	{method: "POST", template: "/directoryObjects/getByIds", need: readUsers | readGroups, base: 3, do: (*call).getByIDs},
	{method: "GET", template: "/organization", base: 1, options: listOptions, do: (*call).organization},
})

func prepare(list []route) []route {
	for i := range list {
		list[i].parts = strings.Split(list[i].template, "/")[1:]
	}
	return list
}

// findRoute matches a request. $batch is apart, because it leads back here.
func findRoute(method, version string, segs []string) (*route, []string) {
	if method == "POST" && version != "" && len(segs) == 1 && strings.EqualFold(segs[0], "$batch") {
		return &route{method: "POST", template: "/$batch", base: 1, do: (*call).batch}, nil
	}
	for i := range routes {
		r := &routes[i]
		if r.method != method || (r.need == open) != (version == "") {
			continue
		}
		if args, ok := r.match(segs); ok {
			return r, args
		}
	}
	return nil, nil
}

func (r *route) match(segs []string) ([]string, bool) {
	if len(segs) != len(r.parts) {
		return nil, false
	}
	var args []string
	for i, p := range r.parts {
		if p == "{}" {
			if segs[i] == "" {
				return nil, false
			}
			args = append(args, segs[i])
		} else if !strings.EqualFold(p, segs[i]) {
			return nil, false
		}
	}
	return args, true
}

func methodsFor(version string, segs []string) []string {
	var out []string
	for i := range routes {
		r := &routes[i]
		if (r.need == open) != (version == "") {
			continue
		}
		if _, ok := r.match(segs); ok && !slices.Contains(out, r.method) {
			out = append(out, r.method)
		}
	}
	return out
}

// splitPath takes a path apart and brings OData's spellings to one form: "/x()" is "/x", "/x('k')"
// is "/x/k", "/microsoft.graph.delta" is "/delta", and a cast such as "/microsoft.graph.user" is
// "/graph.user".
func splitPath(escaped string) []string {
	var out []string
	for seg := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		s, err := url.PathUnescape(seg)
		if err != nil {
			s = seg
		}
		low := strings.ToLower(s)
		for _, prefix := range []string{"microsoft.graph.", "graph."} {
			if strings.HasPrefix(low, prefix) {
				s = "graph." + s[len(prefix):]
				break
			}
		}
		key := ""
		if i := strings.IndexByte(s, '('); i > 0 && strings.HasSuffix(s, ")") {
			s, key = s[:i], s[i+1:len(s)-1]
		}
		switch strings.ToLower(s) {
		case "graph.delta", "graph.restore", "graph.getbyids":
			s = s[len("graph."):]
		}
		out = append(out, s)
		if key != "" {
			out = append(out, unquoteKey(key))
		}
	}
	return out
}

// unquoteKey turns "'k”1'" into "k'1" and "appId='x'" into "appid=x".
func unquoteKey(key string) string {
	name := ""
	if i := strings.IndexByte(key, '='); i > 0 && !strings.HasPrefix(key, "'") {
		name, key = strings.ToLower(strings.TrimSpace(key[:i]))+"=", key[i+1:]
	}
	if len(key) >= 2 && key[0] == '\'' && key[len(key)-1] == '\'' {
		key = strings.ReplaceAll(key[1:len(key)-1], "''", "'")
	}
	return name + key
}
