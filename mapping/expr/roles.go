package expr

import "strings"

// noRole is the identifier of the default access, which is an assignment without a role.
const noRole = "00000000-0000-0000-0000-000000000000"

// roleType is the constant "type" member of a complex role value.
const roleType = "WindowsAzureActiveDirectoryRole"

// role is one app role assignment (10.37).
type role struct {
	id, value, display string
}

// name is what a person calls the role.
func (r role) name() string { return firstText(r.display, r.value, r.id) }

func firstText(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// rolesArg reads argument 0: complex values with id, value and displayName, or texts. Default
// access, entries without any text, and repeated roles are left out.
func (ev *evaluation) rolesArg(n *node) ([]role, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return nil, err
	}
	var roles []role
	seen := map[role]bool{}
	for _, item := range v.Items() {
		r, ok := roleOf(item)
		if !ok {
			return nil, n.failArg(0, CodeTypeMismatch, "pass [appRoleAssignments]", "must hold app role assignments, but holds %s", item.describe())
		}
		id := strings.ToLower(r.id)
		identity := role{id: id}
		if id == "" {
			identity = r
		}
		if id == noRole || r.name() == "" || seen[identity] {
			continue
		}
		seen[identity] = true
		roles = append(roles, r)
	}
	return roles, nil
}

// roleOf reads one assignment; ok is false if v is none.
func roleOf(v Value) (r role, ok bool) {
	switch v.kind {
	case KindString, KindReference:
		return role{value: v.s, display: v.s}, true
	case KindComplex:
		for name, to := range map[string]*string{"id": &r.id, "value": &r.value, "displayName": &r.display} {
			member := FromJSON(v.c.members[name])
			if member.kind == KindNull {
				continue
			}
			one, _ := member.scalar()
			if *to, ok = one.text(); !ok {
				return r, false
			}
		}
		return r, true
	default:
		return r, false
	}
}

// evalSingleAppRole is 10.37.
func evalSingleAppRole(ev *evaluation, n *node) (Value, error) {
	roles, err := ev.rolesArg(n)
	if err != nil {
		return Value{}, err
	}
	switch len(roles) {
	case 0:
		return Value{}, nil
	case 1:
		return ev.build(n, roles[0].name())
	default:
		return Value{}, n.fail(CodeRoleAmbiguous, "assign one role, or map AppRoleAssignmentsComplex or AssertiveAppRoleAssignmentsComplex",
			"the user has %d roles in the application", len(roles))
	}
}

// evalAppRoleAssignments is in 11.1.
func evalAppRoleAssignments(ev *evaluation, n *node) (Value, error) {
	roles, err := ev.rolesArg(n)
	if err != nil {
		return Value{}, err
	}
	names := make([]Value, len(roles))
	for i, r := range roles {
		names[i] = String(r.name())
	}
	return listOwning(names), nil
}

// evalAppRolesComplex is 10.2. The two functions differ only in how the target is updated.
func evalAppRolesComplex(ev *evaluation, n *node) (Value, error) {
	roles, err := ev.rolesArg(n)
	if err != nil {
		return Value{}, err
	}
	values := make([]Value, len(roles))
	for i, r := range roles {
		values[i] = ComplexOf(map[string]any{
			"primary": false,
			"type":    roleType,
			"display": firstText(r.display, r.value, r.id),
			"value":   firstText(r.value, r.display, r.id),
		})
	}
	return listOwning(values), nil
}
