package mapping

// Type is the type of a target attribute. The zero Type means that nothing is known about the
// attribute: values keep the type they have, and one value is as good as a list.
type Type string

const (
	String    Type = "String"
	Integer   Type = "Integer"
	Reference Type = "Reference"
	Binary    Type = "Binary"
	Boolean   Type = "Boolean"
	DateTime  Type = "DateTime"
)

// Definition describes a target attribute (10.4).
type Definition struct {
	Type        Type
	MultiValued bool
	CaseExact   bool
	Required    bool
	Default     string
	Mutability  Mutability
	MaxLength   int // code points; 0: no limit
}

// Mutability of a target attribute.
type Mutability string

const (
	ReadWrite Mutability = "ReadWrite"
	ReadOnly  Mutability = "ReadOnly"
	Immutable Mutability = "Immutable"
	WriteOnly Mutability = "WriteOnly"
)

// DefinitionOf is the built-in definition of an attribute of the core and enterprise schemas
// (scim-target.md appendix B), and a definition without type for every other one. It knows users;
// that displayName is required of groups is for the caller to add.
//
// CaseExact is about the question whether an update must be sent, and so differs from the RFC: a
// corrected capital letter in a name or title has to arrive, while servers that fold the case of
// names and addresses must not be patched for ever (scim-target.md 17.2).
func DefinitionOf(p Path) Definition {
	text := Definition{Type: String, CaseExact: true, Mutability: ReadWrite}
	folded := Definition{Type: String, Mutability: ReadWrite}
	reference := Definition{Type: Reference, CaseExact: true, Mutability: ReadWrite}
	switch p.URN {
	case "":
	case EnterpriseURN:
		if p.Attribute == "manager" && (p.Sub == "" || p.Sub == "value") {
			return reference
		}
		if _, known := spell(p.URN, p.Attribute); known {
			return text
		}
		return Definition{CaseExact: true, Mutability: ReadWrite}
	default:
		return Definition{CaseExact: true, Mutability: ReadWrite}
	}
	if multiValued[p.Attribute] {
		return definitionOfElement(p)
	}
	switch p.Attribute {
	case "userName":
		folded.Required = true
		return folded
	case "preferredLanguage", "locale", "timezone":
		return folded
	case "externalId", "displayName", "nickName", "profileUrl", "title", "userType":
		return text
	case "name":
		if p.Sub != "" {
			return text
		}
	case "active":
		return Definition{Type: Boolean, Mutability: ReadWrite}
	case "password":
		text.Mutability = WriteOnly
		return text
	case "id", "schemas", "meta":
		text.Mutability = ReadOnly
		return text
	}
	return Definition{CaseExact: true, Mutability: ReadWrite}
}

// definitionOfElement defines a multi-valued attribute and the parts of its elements.
func definitionOfElement(p Path) Definition {
	d := Definition{Type: String, CaseExact: p.Attribute != "emails", Mutability: ReadWrite}
	if p.Attribute == "groups" {
		d.Mutability = ReadOnly
	}
	sub := p.Sub
	if sub == "" && len(p.Filter) > 0 {
		sub = "value"
	}
	switch sub {
	case "":
		d.MultiValued = true
		if p.Attribute == "members" {
			d.Type = Reference
		}
	case "value":
		switch p.Attribute {
		case "x509Certificates":
			d.Type = Binary
		case "members":
			d.Type = Reference
		}
	case "type":
		d.CaseExact = false
	case "primary":
		d.Type = Boolean
	default:
		d.CaseExact = true
	}
	return d
}
