package mapping

// defaultAttributes is the default mapping of the contract (section 3).
func defaultAttributes(groups bool) []AttributeSpec {
	if groups {
		return []AttributeSpec{
			{Target: "displayName", Source: "[displayName]", Match: 1},
			{Target: "externalId", Source: "[objectId]"},
			{Target: "members", Source: "[members]"},
		}
	}
	return []AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "active", Source: "Not([IsSoftDeleted])"},
		{Target: "displayName", Source: "[displayName]"},
		{Target: "name.givenName", Source: "[givenName]"},
		{Target: "name.familyName", Source: "[surname]"},
		{Target: "externalId", Source: "[objectId]"},
	}
}

// DefaultUsers is the mapping of users when the configuration has none.
func DefaultUsers() Object { return must(ObjectSpec{Attributes: defaultAttributes(false)}) }

// DefaultGroups is the mapping of groups when the configuration has none.
func DefaultGroups() Object {
	return must(ObjectSpec{Groups: true, Attributes: defaultAttributes(true)})
}

// Default is the mapping when the configuration has none.
func Default() Mapping { return Mapping{Users: DefaultUsers(), Groups: DefaultGroups()} }

// activeSwitch is the usual mapping of IsSoftDeleted (7.3).
const activeSwitch = `Switch([IsSoftDeleted], , "False", "True", "True", "False")`

// WebexSpecs are the users and groups of the meeting-service default (12.1).
func WebexSpecs() (users, groups ObjectSpec) {
	users.Attributes = defaultAttributes(false)
	users.Attributes[1].Source = activeSwitch
	groups = ObjectSpec{Groups: true, Attributes: defaultAttributes(true)}
	return users, groups
}

// WebexDefault is the meeting-service default (12.1).
func WebexDefault() Mapping {
	users, groups := WebexSpecs()
	return Mapping{Users: must(users), Groups: must(groups)}
}

// GenericSpecs are the users and groups of the built-in generic SCIM template (12.2).
func GenericSpecs() (users, groups ObjectSpec) {
	const enterprise = EnterpriseURN + ":"
	users.Attributes = []AttributeSpec{
		{Target: "userName", Source: "[userPrincipalName]", Match: 1},
		{Target: "active", Source: activeSwitch},
		{Target: "displayName", Source: "[displayName]"},
		{Target: "title", Source: "[jobTitle]"},
		{Target: `emails[type eq "work"].value`, Source: "[mail]"},
		{Target: "preferredLanguage", Source: "[preferredLanguage]"},
		{Target: "name.givenName", Source: "[givenName]"},
		{Target: "name.familyName", Source: "[surname]"},
		{Target: "name.formatted", Source: `Join(" ", [givenName], [surname])`},
		{Target: `addresses[type eq "work"].formatted`, Source: "[physicalDeliveryOfficeName]"},
		{Target: `addresses[type eq "work"].streetAddress`, Source: "[streetAddress]"},
		{Target: `addresses[type eq "work"].locality`, Source: "[city]"},
		{Target: `addresses[type eq "work"].region`, Source: "[state]"},
		{Target: `addresses[type eq "work"].postalCode`, Source: "[postalCode]"},
		{Target: `addresses[type eq "work"].country`, Source: "[country]"},
		{Target: `phoneNumbers[type eq "work"].value`, Source: "[telephoneNumber]"},
		{Target: `phoneNumbers[type eq "mobile"].value`, Source: "[mobile]"},
		{Target: `phoneNumbers[type eq "fax"].value`, Source: "[facsimileTelephoneNumber]"},
		{Target: "externalId", Source: "[mailNickname]"},
		{Target: enterprise + "employeeNumber", Source: "[employeeId]"},
		{Target: enterprise + "department", Source: "[department]"},
		{Target: enterprise + "manager", Source: "[manager]"},
	}
	groups = ObjectSpec{Groups: true, Attributes: defaultAttributes(true)}
	return users, groups
}

// GenericDefault is the built-in generic SCIM template (12.2).
func GenericDefault() Mapping {
	users, groups := GenericSpecs()
	return Mapping{Users: must(users), Groups: must(groups)}
}
