package mapping

import "strings"

// Schema URNs that the package knows.
const (
	EnterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	CoreUserURN   = "urn:ietf:params:scim:schemas:core:2.0:User"
	CoreGroupURN  = "urn:ietf:params:scim:schemas:core:2.0:Group"

	corePrefix = "urn:ietf:params:scim:schemas:core:2.0:"
)

// coreNames are the attributes of RFC 7643 sections 3.1, 4.1 and 4.2 in their spelling.
var coreNames = byLower(
	"schemas", "id", "externalId", "meta",
	"userName", "name", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage",
	"locale", "timezone", "active", "password", "emails", "phoneNumbers", "ims", "photos", "addresses",
	"groups", "entitlements", "roles", "x509Certificates", "members",
)

// enterpriseNames are the attributes of RFC 7643 section 4.3.
var enterpriseNames = byLower("employeeNumber", "costCenter", "organization", "division", "department", "manager")

// subNames are the sub-attributes of all of them; no two differ in letter case alone.
var subNames = byLower(
	"value", "display", "type", "primary", "$ref",
	"formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix",
	"streetAddress", "locality", "region", "postalCode", "country",
	"resourceType", "created", "lastModified", "location", "version", "displayName",
)

// multiValued are the core attributes that hold a list of complex elements.
var multiValued = map[string]bool{
	"emails": true, "phoneNumbers": true, "ims": true, "photos": true, "addresses": true, "groups": true,
	"entitlements": true, "roles": true, "x509Certificates": true, "members": true,
}

func byLower(names ...string) map[string]string {
	m := make(map[string]string, len(names))
	for _, n := range names {
		m[strings.ToLower(n)] = n
	}
	return m
}

// spell returns the RFC 7643 spelling of an attribute and whether the RFC knows it.
func spell(urn, attribute string) (string, bool) {
	names := coreNames
	switch urn {
	case "":
	case EnterpriseURN:
		names = enterpriseNames
	default:
		return attribute, false
	}
	if n, ok := names[strings.ToLower(attribute)]; ok {
		return n, true
	}
	return attribute, false
}

// spellSub returns the RFC 7643 spelling of a sub-attribute.
func spellSub(sub string) string {
	if n, ok := subNames[strings.ToLower(sub)]; ok {
		return n
	}
	return sub
}
