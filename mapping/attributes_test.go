package mapping

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLookup(t *testing.T) {
	graph := Attributes{
		"id": "o-1", "mobilePhone": "+1", "businessPhones": []any{"+2", "+3"}, "faxNumber": "+4", "officeLocation": "B1",
		"userPrincipalName": "ann_fabrikam.com#EXT#@contoso.com", "onPremisesSyncEnabled": true, "jobTitle": nil,
		"onPremisesExtensionAttributes": map[string]any{"extensionAttribute1": "VIP", "extensionAttribute15": nil},
		"employeeOrgData":               map[string]any{"costCenter": "CC"},
		"passwordProfile":               map[string]any{"password": "secret"},
		"ext12_pack":                    map[string]any{"level": map[string]any{"n": float64(3)}},
	}
	for _, c := range []struct {
		name string
		want any
		ok   bool
	}{
		{"objectId", "o-1", true},
		{"id", "o-1", true},
		{"mobile", "+1", true},
		{"telephoneNumber", "+2", true},
		{"facsimileTelephoneNumber", "+4", true},
		{"physicalDeliveryOfficeName", "B1", true},
		{"dirSyncEnabled", true, true},
		{"userPrincipalName", "ann@fabrikam.com", true},
		{"originalUserPrincipalName", "ann_fabrikam.com#EXT#@contoso.com", true},
		{"jobTitle", nil, true},
		{"JobTitle", nil, false},
		{"extensionAttribute1", "VIP", true},
		{"extensionAttribute15", nil, true},
		{"extensionAttribute2", nil, false},
		{"extensionAttribute16", nil, false},
		{"employeeOrgData.costCenter", "CC", true},
		{"employeeOrgData.division", nil, false},
		{"employeeOrgData.costCenter.x", nil, false},
		{"ext12_pack.level.n", float64(3), true},
		{"passwordProfile.password", nil, false},
		{"department", nil, false},
	} {
		got, ok := graph.Lookup(c.name)
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("%s: %v, want %v; -want +got\n%s", c.name, ok, c.ok, diff)
		}
	}
	if got, ok := (Attributes{"businessPhones": []any{}}).Lookup("telephoneNumber"); got != nil || !ok {
		t.Errorf("telephoneNumber without numbers: %v, %v", got, ok)
	}
	// A source that uses the names of the mapping world itself needs no translation.
	plain := Attributes{"mobile": "5", "mobilePhone": "6", "employeeOrgData.costCenter": "D", "originalUserPrincipalName": "x"}
	for name, want := range map[string]any{"mobile": "5", "employeeOrgData.costCenter": "D", "originalUserPrincipalName": "x"} {
		if got, _ := plain.Lookup(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if v, ok := Attributes(nil).Lookup("mail"); v != nil || ok {
		t.Errorf("nothing knows mail: %v, %v", v, ok)
	}
}

// The table of section 7.5.
func TestGuestNames(t *testing.T) {
	for stored, want := range map[string]string{
		"ann_fabrikam.com#EXT#@contoso.com":     "ann@fabrikam.com",
		"ann_lee_fabrikam.com#EXT#@contoso.com": "ann_lee@fabrikam.com",
		"ann_fabrikam.com#ext#@contoso.com":     "ann@fabrikam.com",
		"ann@contoso.com":                       "ann@contoso.com",
		"guest#EXT#@contoso.com":                "guest#EXT#@contoso.com",
		"a#b_c.com#EXT#@contoso.com":            "a#b@c.com",
		"a#EXT#":                                "a#EXT#",
		"#":                                     "#",
		"":                                      "",
	} {
		a := Attributes{"userPrincipalName": stored}
		if got, _ := a.Lookup("userPrincipalName"); got != want {
			t.Errorf("%q: %q, want %q", stored, got, want)
		}
		if got, _ := a.Lookup("originalUserPrincipalName"); got != stored {
			t.Errorf("%q: original %q", stored, got)
		}
	}
}

func TestGraphSelect(t *testing.T) {
	got := GraphSelect([]string{
		"userPrincipalName", "originalUserPrincipalName", "objectId", "mobile", "telephoneNumber", "facsimileTelephoneNumber",
		"physicalDeliveryOfficeName", "extensionAttribute1", "extensionAttribute15", "employeeOrgData.costCenter", "employeeOrgData.division",
		"IsSoftDeleted", "appRoleAssignments", "manager", "members", "passwordProfile.password", "dirSyncEnabled",
		"extension_53c9_nick", "department", "department",
	})
	want := []string{"businessPhones", "department", "employeeOrgData", "extension_53c9_nick", "faxNumber", "id", "mobilePhone",
		"officeLocation", "onPremisesExtensionAttributes", "onPremisesSyncEnabled", "userPrincipalName"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := GraphSelect(nil); len(got) != 0 {
		t.Errorf("nothing selects %v", got)
	}
}

// What GraphSelect asks for is what Lookup reads: an object with only these properties answers.
func TestGraphSelectServesLookup(t *testing.T) {
	full := Attributes{
		"id": "1", "mobilePhone": "1", "businessPhones": []any{"1"}, "faxNumber": "1", "officeLocation": "1", "userPrincipalName": "1",
		"onPremisesSyncEnabled": "1", "employeeOrgData": map[string]any{"costCenter": "1", "division": "1"}, "onPremisesExtensionAttributes": map[string]any{"extensionAttribute7": "1"},
	}
	for _, name := range append([]string{"extensionAttribute7"}, sourceNames...) {
		selected := Attributes{}
		for _, p := range GraphSelect([]string{name}) {
			if v, ok := full[p]; ok {
				selected[p] = v
			} else {
				selected[p] = "1"
			}
		}
		_, ok := selected.Lookup(name)
		excluded := name == IsSoftDeleted || name == AppRoleAssignments || name == manager || name == members || name == password
		if ok == excluded {
			t.Errorf("%s: selected %v, found %v", name, selected, ok)
		}
	}
}
