package scimtest

import (
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

const (
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchOpURN    = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	listURN       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	searchURN     = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
)

// attribute is elimity's definition of an attribute with what lookups need beside it.
type attribute struct {
	schema.CoreAttribute
	name string
	urn  string // of the extension; "" for core and common attributes
	subs map[string]*attribute
	isID bool // the id of another resource: compared exactly although elimity's schemas say otherwise
}

// resourceKind is a resource type: its name, endpoint and attributes.
type resourceKind struct {
	name       string // User
	endpoint   string // /Users
	core       schema.Schema
	extensions []schema.Schema
	schemas    []string // all URNs, core first
	attrs      map[string]*attribute
	extAttrs   map[string]map[string]*attribute // lower-case URN, lower-case name
	urns       map[string]string                // lower-case URN to URN
	paths      pathCache
}

func newKind(name, endpoint string, core schema.Schema, extensions ...schema.Schema) *resourceKind {
	k := &resourceKind{
		name: name, endpoint: endpoint, core: core, extensions: extensions,
		schemas:  []string{core.ID},
		attrs:    map[string]*attribute{},
		extAttrs: map[string]map[string]*attribute{},
		urns:     map[string]string{strings.ToLower(core.ID): core.ID},
	}
	for _, a := range slices.Concat(commonAttributes(), core.Attributes) {
		k.attrs[strings.ToLower(a.Name())] = newAttribute("", a)
	}
	for _, e := range extensions {
		lower := strings.ToLower(e.ID)
		k.schemas = append(k.schemas, e.ID)
		k.urns[lower] = e.ID
		k.extAttrs[lower] = map[string]*attribute{}
		for _, a := range e.Attributes {
			k.extAttrs[lower][strings.ToLower(a.Name())] = newAttribute(e.ID, a)
		}
	}
	return k
}

func newAttribute(urn string, a schema.CoreAttribute) *attribute {
	d := &attribute{CoreAttribute: a, name: a.Name(), urn: urn, subs: map[string]*attribute{}}
	for _, s := range a.SubAttributes() {
		d.subs[strings.ToLower(s.Name())] = newAttribute(urn, s)
	}
	if v := d.subs["value"]; v != nil && d.subs["$ref"] != nil {
		v.isID = true
	}
	return d
}

// commonAttributes are those of RFC 7643 section 3.1, which elimity's schemas leave out.
func commonAttributes() schema.Attributes {
	id := schema.StringParams{Name: "id", CaseExact: true, Mutability: schema.AttributeMutabilityReadOnly()}
	external := schema.StringParams{Name: "externalId", CaseExact: true}
	str := func(name string) schema.SimpleParams {
		return schema.SimpleStringParams(schema.StringParams{Name: name, CaseExact: true})
	}
	at := func(name string) schema.SimpleParams {
		return schema.SimpleDateTimeParams(schema.DateTimeParams{Name: name})
	}
	return schema.Attributes{
		schema.SimpleCoreAttribute(schema.SimpleStringParams(id)),
		schema.SimpleCoreAttribute(schema.SimpleStringParams(external)),
		schema.ComplexCoreAttribute(schema.ComplexParams{
			Name:          "meta",
			Mutability:    schema.AttributeMutabilityReadOnly(),
			SubAttributes: []schema.SimpleParams{str("resourceType"), at("created"), at("lastModified"), str("location"), str("version")},
		}),
	}
}

// find returns the definition of an attribute; urn and name are compared without regard to case. An
// empty urn or that of the core schema means a core attribute.
func (k *resourceKind) find(urn, name string) *attribute {
	lower := strings.ToLower(urn)
	if urn == "" || lower == strings.ToLower(k.core.ID) {
		return k.attrs[strings.ToLower(name)]
	}
	return k.extAttrs[lower][strings.ToLower(name)]
}

// extension returns the canonical URN of an extension named by s, compared without regard to case.
func (k *resourceKind) extension(s string) (string, bool) {
	urn, ok := k.urns[strings.ToLower(s)]
	return urn, ok && urn != k.core.ID
}

func (a *attribute) sub(name string) *attribute { return a.subs[strings.ToLower(name)] }

func (a *attribute) complex() bool { return a.AttributeType() == "complex" }

func (a *attribute) boolean() bool { return a.AttributeType() == "boolean" }

func (a *attribute) readOnly() bool { return a.Mutability() == "readOnly" }

// exact says whether filters compare the attribute with regard to case.
func (a *attribute) exact() bool { return a.CaseExact() || a.isID }

// newElimity builds the library's server around the handlers of both resource kinds.
func newElimity(users, groups *resourceKind, s *Server) (scim.Server, error) {
	types := []scim.ResourceType{
		{
			ID: optional.NewString("User"), Name: "User", Endpoint: users.endpoint,
			Description: optional.NewString("User Account"), Schema: users.core,
			Handler: handler{s, users},
		},
		{
			ID: optional.NewString("Group"), Name: "Group", Endpoint: groups.endpoint,
			Description: optional.NewString("Group"), Schema: groups.core,
			Handler: handler{s, groups},
		},
	}
	for _, e := range users.extensions {
		types[0].SchemaExtensions = append(types[0].SchemaExtensions, scim.SchemaExtension{Schema: e})
	}
	return scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{
			AuthenticationSchemes: []scim.AuthenticationScheme{{
				Type: scim.AuthenticationTypeOauthBearerToken, Name: "OAuth Bearer Token",
				Description: "A token in the Authorization header", Primary: true,
			}},
			MaxResults: defaultMaxResults, SupportFiltering: true, SupportPatch: true,
		},
		ResourceTypes: types,
	})
}

// extensionSchemas are the extensions of User: enterprise, and those of the options.
func extensionSchemas(extra map[string][]string) []schema.Schema {
	out := []schema.Schema{schema.ExtensionEnterpriseUser()}
	urns := make([]string, 0, len(extra))
	for urn := range extra {
		urns = append(urns, urn)
	}
	slices.Sort(urns)
	for _, urn := range urns {
		s := schema.Schema{ID: urn, Name: optional.NewString(urn[strings.LastIndexByte(urn, ':')+1:])}
		for _, name := range extra[urn] {
			s.Attributes = append(s.Attributes, schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: name})))
		}
		out = append(out, s)
	}
	return out
}

// refuse builds the SCIM error of RFC 7644 section 3.12.
func refuse(status int, scimType errors.ScimType, detail string) *errors.ScimError {
	return &errors.ScimError{Status: status, ScimType: scimType, Detail: detail}
}
