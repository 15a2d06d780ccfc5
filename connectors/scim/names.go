package scim

import "strings"

// Schemas and messages of RFC 7643 and RFC 7644, and the group schema that Entra lists.
const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	adGroupURN    = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
	patchURN      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	listURN       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	errorURN      = "urn:ietf:params:scim:api:messages:2.0:Error"
	webexErrorURN = "urn:scim:schemas:extension:cisco:webexidentity:api:messages:2.0:Error"
)

// form is how RFC 7643 shapes an attribute.
type form uint8

const (
	formText    form = iota // a simple value, or one we know nothing about
	formBoolean             // true or false
	formComplex             // one object
	formList                // several objects with value, type, primary …
)

// known is an attribute of the core schemas in its right spelling.
type known struct {
	name string
	form form
}

// coreAttributes are the top-level attributes of User and Group, by lower-case name.
var coreAttributes = byLower(
	known{"id", formText}, known{"externalId", formText}, known{"meta", formComplex},
	known{"userName", formText}, known{"name", formComplex}, known{"displayName", formText},
	known{"nickName", formText}, known{"profileUrl", formText}, known{"title", formText},
	known{"userType", formText}, known{"preferredLanguage", formText}, known{"locale", formText},
	known{"timezone", formText}, known{"active", formBoolean}, known{"password", formText},
	known{"emails", formList}, known{"phoneNumbers", formList}, known{"ims", formList},
	known{"photos", formList}, known{"addresses", formList}, known{"groups", formList},
	known{"entitlements", formList}, known{"roles", formList}, known{"x509Certificates", formList},
	known{"members", formList}, known{"schemas", formText},
)

// enterpriseAttributes are those of the enterprise extension.
var enterpriseAttributes = byLower(
	known{"employeeNumber", formText}, known{"costCenter", formText}, known{"organization", formText},
	known{"division", formText}, known{"department", formText}, known{"manager", formComplex},
)

// subAttributes are those of the complex core attributes and of manager.
var subAttributes = byLower(
	known{"value", formText}, known{"type", formText}, known{"primary", formBoolean}, known{"display", formText},
	known{"$ref", formText}, known{"formatted", formText}, known{"familyName", formText}, known{"givenName", formText},
	known{"middleName", formText}, known{"honorificPrefix", formText}, known{"honorificSuffix", formText},
	known{"streetAddress", formText}, known{"locality", formText}, known{"region", formText},
	known{"postalCode", formText}, known{"country", formText}, known{"displayName", formText},
	known{"resourceType", formText}, known{"created", formText}, known{"lastModified", formText},
	known{"location", formText}, known{"version", formText},
)

// listMembers and errorMembers are those of the messages.
var (
	listMembers = byLower(known{"schemas", formText}, known{"totalResults", formText}, known{"Resources", formText},
		known{"startIndex", formText}, known{"itemsPerPage", formText}, known{"nextCursor", formText})
	errorMembers = byLower(known{"schemas", formText}, known{"scimType", formText}, known{"detail", formText},
		known{"status", formText}, known{"response", formText}, known{"error", formText}, known{"errors", formText},
		known{"description", formText}, known{"code", formText}, known{"error_description", formText},
		known{"message", formText}, known{"title", formText}, known{"trackingId", formText},
		known{"errorCode", formText}, known{"details", formText})
)

func byLower(attrs ...known) map[string]known {
	m := make(map[string]known, 2*len(attrs))
	for _, a := range attrs {
		m[a.name] = a
		m[strings.ToLower(a.name)] = a
	}
	return m
}

// lookup finds an attribute by its name in any case. Right spellings cost one look.
func lookup(table map[string]known, name string) (known, bool) {
	a, ok := table[name]
	if !ok {
		a, ok = table[strings.ToLower(name)]
	}
	return a, ok
}
