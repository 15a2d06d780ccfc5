package mapping

import (
	"slices"
	"strings"
)

// Attributes are the attributes of a source object, by the names its source uses, as decoded from
// JSON. Mappings ask for them with [Attributes.Lookup], under the names of the mapping world.
type Attributes map[string]any

// Names of computed attributes (7.3) and of what is never read.
const (
	IsSoftDeleted      = "IsSoftDeleted"
	AppRoleAssignments = "appRoleAssignments"

	userPrincipalName         = "userPrincipalName"
	originalUserPrincipalName = "originalUserPrincipalName"
	password                  = "passwordProfile.password"
	manager                   = "manager"
	members                   = "members"
	extensionAttribute        = "extensionAttribute"
	onPremisesExtensions      = "onPremisesExtensionAttributes"
	businessPhones            = "businessPhones"
)

// graphNames are the attributes that the directory's modern API calls otherwise (7.1).
var graphNames = map[string]string{
	"objectId":                   "id",
	"mobile":                     "mobilePhone",
	"telephoneNumber":            businessPhones,
	"facsimileTelephoneNumber":   "faxNumber",
	"physicalDeliveryOfficeName": "officeLocation",
	"dirSyncEnabled":             "onPremisesSyncEnabled",
}

// Lookup returns the attribute that mappings call name; ok is false if the object does not have it.
// A name that the source itself uses wins; otherwise the names of section 7.1 are translated to
// those of Microsoft Graph, and a dotted name is followed into complex values. userPrincipalName of
// a guest is the address at home (7.5), originalUserPrincipalName the stored name. Passwords are
// never read.
func (a Attributes) Lookup(name string) (value any, ok bool) {
	switch name {
	case userPrincipalName:
		v, ok := a[name]
		if s, isText := v.(string); isText {
			if home, guest := homeName(s); guest {
				return home, ok
			}
		}
		return v, ok
	case originalUserPrincipalName:
		if v, ok := a[name]; ok {
			return v, true
		}
		v, ok := a[userPrincipalName]
		return v, ok
	case password:
		return nil, false
	}
	if v, ok := a[name]; ok {
		return v, true
	}
	if graph, ok := graphNames[name]; ok {
		v, ok := a[graph]
		if list, isList := v.([]any); isList && graph == businessPhones {
			if len(list) == 0 {
				return nil, ok
			}
			return list[0], ok
		}
		return v, ok
	}
	if isExtensionAttribute(name) {
		inside, _ := a[onPremisesExtensions].(map[string]any)
		v, ok := inside[name]
		return v, ok
	}
	if strings.Contains(name, ".") {
		return a.descend(name)
	}
	return nil, false
}

// descend follows a dotted name into complex values.
func (a Attributes) descend(name string) (any, bool) {
	inside := map[string]any(a)
	for {
		head, rest, more := strings.Cut(name, ".")
		v, ok := inside[head]
		if !more || !ok {
			return v, ok
		}
		if inside, ok = v.(map[string]any); !ok {
			return nil, false
		}
		name = rest
	}
}

// homeName turns alias_theirdomain#EXT#@ourdomain into alias@theirdomain (7.5). Only the last "_"
// can be the former "@", because a domain name has none. A name without "_" is kept.
func homeName(name string) (home string, guest bool) {
	hash := strings.IndexByte(name, '#')
	if hash < 0 {
		return name, false
	}
	for i := hash; i+6 <= len(name); i++ {
		if name[i] == '#' && strings.EqualFold(name[i:i+6], "#EXT#@") {
			local := name[:i]
			if at := strings.LastIndexByte(local, '_'); at >= 0 {
				return local[:at] + "@" + local[at+1:], true
			}
			return name, false
		}
	}
	return name, false
}

// HomelessGuest reports whether the user name of an object is that of a guest without the address at home in it: it is
// used as it is, which is hardly what anybody wants (provisioning.md section 14).
func (a Attributes) HomelessGuest() bool {
	name, _ := a[userPrincipalName].(string)
	_, home := homeName(name)
	return !home && strings.Contains(strings.ToUpper(name), "#EXT#@")
}

// isExtensionAttribute recognises extensionAttribute1 to extensionAttribute15.
func isExtensionAttribute(name string) bool {
	n, ok := strings.CutPrefix(name, extensionAttribute)
	return ok && (len(n) == 1 && n[0] >= '1' && n[0] <= '9' || len(n) == 2 && n[0] == '1' && n[1] >= '0' && n[1] <= '5')
}

// GraphSelect is the inverse of [Attributes.Lookup] for Microsoft Graph: the properties, sorted and
// each once, that have to be selected so that the attributes called names can be looked up. What
// is computed (IsSoftDeleted), read elsewhere (appRoleAssignments, manager, members) or never
// read (the password) is not among them.
func GraphSelect(names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		switch name {
		case IsSoftDeleted, AppRoleAssignments, manager, members, password, "":
			continue
		case originalUserPrincipalName:
			name = userPrincipalName
		}
		if graph, ok := graphNames[name]; ok {
			name = graph
		} else if isExtensionAttribute(name) {
			name = onPremisesExtensions
		}
		name, _, _ = strings.Cut(name, ".")
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
