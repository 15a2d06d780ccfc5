package graphtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A valueType is the shape of a property's value on the wire.
type valueType uint8

const (
	text valueType = iota
	boolean
	moment
	texts // list of strings
	complexValue
	complexList
	anything // registered by use: extensions
)

// A property is one that objects of a kind can have.
type property struct {
	name string
	key  string // the name as a JSON key with its colon
	typ  valueType
}

// A schema knows the properties of a kind.
type schema struct {
	byName  map[string]*property // lower case
	byDelta []*property          // what a delta call without $select tracks
	byRead  []*property          // what a read without $select gives
}

// elsewhere are properties of users that the service keeps outside the directory; tracking them fails.
var elsewhere = []string{"aboutme", "birthday", "hiredate", "interests", "mysite", "pastprojects", "preferredname",
	"responsibilities", "schools", "skills", "mailboxsettings", "signinactivity"}

func newSchema(k kind) schema {
	s := schema{byName: map[string]*property{}}
	define := func(typ valueType, names string) {
		for name := range strings.FieldsSeq(names) {
			s.define(name, typ)
		}
	}
	pick := func(names string) (out []*property) {
		for name := range strings.FieldsSeq(names) {
			out = append(out, s.byName[strings.ToLower(name)])
		}
		return out
	}
	define(text, "id displayName")
	define(moment, "deletedDateTime")
	switch k {
	case users:
		define(text, `ageGroup city companyName consentProvidedForMinor country creationType department employeeId employeeType
			externalUserState faxNumber givenName jobTitle legalAgeGroupClassification mail mailNickname mobilePhone officeLocation
			onPremisesDistinguishedName onPremisesDomainName onPremisesImmutableId onPremisesSamAccountName
			onPremisesSecurityIdentifier onPremisesUserPrincipalName passwordPolicies postalCode preferredDataLocation
			preferredLanguage securityIdentifier state streetAddress surname usageLocation userPrincipalName userType`)
		define(boolean, "accountEnabled onPremisesSyncEnabled showInAddressList isResourceAccount")
		define(moment, `createdDateTime employeeHireDate employeeLeaveDateTime externalUserStateChangeDateTime
			lastPasswordChangeDateTime onPremisesLastSyncDateTime refreshTokensValidFromDateTime signInSessionsValidFromDateTime`)
		define(texts, "businessPhones imAddresses otherMails proxyAddresses")
		define(complexValue, "employeeOrgData onPremisesExtensionAttributes passwordProfile authorizationInfo")
		define(complexList, "assignedLicenses assignedPlans identities provisionedPlans onPremisesProvisioningErrors serviceProvisioningErrors")
		s.byRead = pick(`businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname
			userPrincipalName`)
		s.byDelta = s.byRead
	case groups:
		define(text, `classification description mail mailNickname membershipRule membershipRuleProcessingState
			onPremisesDomainName onPremisesNetBiosName onPremisesSamAccountName onPremisesSecurityIdentifier preferredDataLocation
			preferredLanguage securityIdentifier theme visibility uniqueName`)
		define(boolean, "isAssignableToRole mailEnabled onPremisesSyncEnabled securityEnabled isManagementRestricted")
		define(moment, "createdDateTime expirationDateTime onPremisesLastSyncDateTime renewedDateTime")
		define(texts, "creationOptions groupTypes proxyAddresses resourceBehaviorOptions resourceProvisioningOptions")
		define(complexValue, "onPremisesExtensionAttributes")
		define(complexList, "assignedLabels onPremisesProvisioningErrors serviceProvisioningErrors")
		s.byRead = pick(`deletedDateTime classification createdDateTime creationOptions description displayName expirationDateTime
			groupTypes isAssignableToRole mail mailEnabled mailNickname membershipRule membershipRuleProcessingState
			onPremisesDomainName onPremisesLastSyncDateTime onPremisesNetBiosName onPremisesSamAccountName
			onPremisesSecurityIdentifier onPremisesSyncEnabled preferredDataLocation preferredLanguage proxyAddresses renewedDateTime
			resourceBehaviorOptions resourceProvisioningOptions securityEnabled securityIdentifier theme visibility
			onPremisesProvisioningErrors`)
		s.byDelta = pick(`createdDateTime creationOptions description displayName groupTypes mail mailEnabled mailNickname
			membershipRule membershipRuleProcessingState onPremisesSyncEnabled proxyAddresses renewedDateTime
			resourceBehaviorOptions resourceProvisioningOptions securityEnabled visibility`)
	case servicePrincipals:
		define(text, `appDescription appDisplayName appId appOwnerOrganizationId description homepage loginUrl logoutUrl
			notes preferredSingleSignOnMode servicePrincipalType signInAudience`)
		define(boolean, "accountEnabled appRoleAssignmentRequired")
		define(texts, "alternativeNames notificationEmailAddresses replyUrls servicePrincipalNames tags")
		define(complexList, "appRoles keyCredentials oauth2PermissionScopes passwordCredentials")
		define(moment, "createdDateTime")
		s.byRead = pick(`deletedDateTime accountEnabled alternativeNames appDescription appDisplayName appId
			appOwnerOrganizationId appRoleAssignmentRequired createdDateTime description displayName homepage loginUrl logoutUrl
			notes notificationEmailAddresses preferredSingleSignOnMode replyUrls servicePrincipalNames servicePrincipalType
			signInAudience tags appRoles`)
		s.byDelta = pick("accountEnabled appDisplayName appId appRoleAssignmentRequired appRoles displayName servicePrincipalType tags")
	case devices:
		define(text, "deviceId operatingSystem operatingSystemVersion trustType")
		define(boolean, "accountEnabled")
		s.byRead = pick("deletedDateTime accountEnabled deviceId displayName operatingSystem operatingSystemVersion trustType")
		s.byDelta = s.byRead
	}
	return s
}

func (s *schema) define(name string, typ valueType) *property {
	p := &property{name: name, key: quote(name) + ":", typ: typ}
	s.byName[strings.ToLower(name)] = p
	return p
}

// isExtension tells whether a name is that of a directory or schema extension.
func isExtension(name string) bool {
	return strings.HasPrefix(name, "extension_") || (strings.HasPrefix(name, "ext") && strings.Contains(name, "_"))
}

// encode checks a Go or decoded JSON value against a property and gives its JSON. Extensions
// become known by being set.
func (s *schema) encode(name string, value any) (*property, string, error) {
	def := s.byName[strings.ToLower(name)]
	if def == nil {
		if !isExtension(name) {
			return nil, "", fmt.Errorf("no property named %q", name)
		}
		def = s.define(name, anything)
	}
	if def.name == "id" || def.name == "deletedDateTime" {
		return nil, "", fmt.Errorf("property %q is read-only", def.name)
	}
	if value == nil {
		if def.typ == texts || def.typ == complexList {
			return def, "[]", nil
		}
		return def, "null", nil
	}
	if t, ok := value.(time.Time); ok {
		value = stamp(t)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, "", fmt.Errorf("property %q: %w", def.name, err)
	}
	if !def.fits(raw) {
		return nil, "", fmt.Errorf("property %q cannot hold %.40s", def.name, raw)
	}
	return def, string(raw), nil
}

func (p *property) fits(raw []byte) bool {
	switch p.typ {
	case text, moment:
		return raw[0] == '"'
	case boolean:
		return raw[0] == 't' || raw[0] == 'f'
	case texts:
		var list []string
		return json.Unmarshal(raw, &list) == nil
	case complexValue:
		return raw[0] == '{'
	case complexList:
		return raw[0] == '['
	}
	return true
}

// A selection is a checked $select.
type selection struct {
	props   []*property // without id, which every item has
	all     bool        // no $select was given
	members bool        // the relation is tracked (groups, delta)
	manager bool        // the same (users, delta)
	deleted bool        // deletedDateTime is among props
}

// relations that can be named in $select of a delta call.
var relations = map[kind]string{users: "manager", groups: "members"}

// selectFor checks the names of a $select; delta calls may name a relation too.
func (s *schema) selectFor(k kind, names []string, delta bool) (selection, *problem) {
	if len(names) == 0 {
		if delta {
			return selection{props: s.byDelta, all: true, members: k == groups}, nil
		}
		return selection{props: s.byRead, all: true}, nil
	}
	var sel selection
	for _, name := range names {
		low := strings.ToLower(name)
		switch {
		case low == "id":
			continue
		case delta && low == relations[k] && low != "":
			sel.members, sel.manager = sel.members || k == groups, sel.manager || k == users
			continue
		case k == users && slices.Contains(elsewhere, low):
			if delta {
				return sel, &problem{501, "NotImplemented", fmt.Sprintf("Change tracking is not supported for the property '%s'.", name)}
			}
			continue
		}
		def := s.byName[low]
		if def == nil {
			return sel, &problem{400, "Request_BadRequest", fmt.Sprintf("Could not find a property named '%s' on type 'microsoft.graph.%s'.",
				name, strings.TrimPrefix(k.wire(), "#microsoft.graph."))}
		}
		if !slices.Contains(sel.props, def) {
			sel.props = append(sel.props, def)
		}
		sel.deleted = sel.deleted || def.name == "deletedDateTime"
	}
	return sel, nil
}
