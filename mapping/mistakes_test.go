package mapping

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/mistakes.golden")

// with is the default mapping of users with one more attribute.
func with(a AttributeSpec) ObjectSpec {
	return ObjectSpec{Attributes: append(defaultAttributes(false), a)}
}

func filtered(attribute, operator string, values ...string) ObjectSpec {
	return ObjectSpec{Filter: []FilterSpec{{Name: "f", Clauses: []ClauseSpec{{Attribute: attribute, Operator: operator, Values: values}}}}}
}

// specMistakes are wrong object mappings of the configuration file.
func specMistakes() map[string]ObjectSpec {
	return map[string]ObjectSpec{
		"target missing":            with(AttributeSpec{Source: "[mail]"}),
		"target unclosed filter":    with(AttributeSpec{Target: `emails[type eq "work".value`, Source: "[mail]"}),
		"target wrong operator":     with(AttributeSpec{Target: `emails[type ne "work"].value`, Source: "[mail]"}),
		"target without quotes":     with(AttributeSpec{Target: `emails[type eq work].value`, Source: "[mail]"}),
		"target two subs":           with(AttributeSpec{Target: "name.given.name", Source: "[mail]"}),
		"target whole extension":    with(AttributeSpec{Target: EnterpriseURN, Source: "[mail]"}),
		"target colon":              with(AttributeSpec{Target: "enterprise:department", Source: "[mail]"}),
		"target read-only":          with(AttributeSpec{Target: "id", Source: "[objectId]"}),
		"target meta":               with(AttributeSpec{Target: "meta.created", Source: "[createdDateTime]"}),
		"target misspelt":           with(AttributeSpec{Target: "nickNam", Source: "[mailNickname]"}),
		"target sub misspelt":       with(AttributeSpec{Target: "name.middelName", Source: "[mailNickname]"}),
		"target not enterprise":     with(AttributeSpec{Target: EnterpriseURN + ":shoeSize", Source: "[employeeId]"}),
		"target twice":              with(AttributeSpec{Target: "USERNAME", Source: "[mail]"}),
		"source missing":            with(AttributeSpec{Target: "title"}),
		"source bare name":          with(AttributeSpec{Target: "title", Source: "jobTitle"}),
		"source unclosed":           with(AttributeSpec{Target: "title", Source: `Append([jobTitle], "x"`}),
		"source unknown function":   with(AttributeSpec{Target: "title", Source: "Lowr([jobTitle])"}),
		"source arity":              with(AttributeSpec{Target: "title", Source: "Mid([jobTitle], 1)"}),
		"source single quotes":      with(AttributeSpec{Target: "title", Source: "'x'"}),
		"source letter case":        with(AttributeSpec{Target: "title", Source: "[jobtitle]"}),
		"source misspelt":           with(AttributeSpec{Target: "title", Source: "[jobTitel]"}),
		"source password":           with(AttributeSpec{Target: "password", Source: "[passwordProfile.password]"}),
		"source roles direct":       with(AttributeSpec{Target: "roles", Source: "[appRoleAssignments]"}),
		"source manager as text":    with(AttributeSpec{Target: "title", Source: "[manager]"}),
		"members by function":       {Groups: true, Attributes: []AttributeSpec{{Target: "displayName", Source: "[displayName]", Match: 1}, {Target: "members", Source: `Split([x], ",")`}}},
		"constant of wrong type":    {Attributes: []AttributeSpec{{Target: "userName", Source: "[mail]", Match: 1}, {Target: "active", Source: `"maybe"`}}},
		"default of wrong type":     {Attributes: []AttributeSpec{{Target: "userName", Source: "[mail]", Match: 1}, {Target: "active", Source: "[accountEnabled]", Default: "maybe"}}},
		"apply unknown":             with(AttributeSpec{Target: "title", Source: "[jobTitle]", Apply: "oncreate"}),
		"match negative":            with(AttributeSpec{Target: "title", Source: "[jobTitle]", Match: -1}),
		"match twice":               with(AttributeSpec{Target: "title", Source: "[jobTitle]", Match: 1}),
		"match none":                {Attributes: []AttributeSpec{{Target: "userName", Source: "[mail]"}}},
		"match none of groups":      {Groups: true, Attributes: []AttributeSpec{{Target: "displayName", Source: "[displayName]"}}},
		"match without source":      with(AttributeSpec{Target: "timezone", Default: "UTC", Match: 2}),
		"match a reference":         with(AttributeSpec{Target: EnterpriseURN + ":manager", Source: "[manager]", Match: 2}),
		"match a unique value":      with(AttributeSpec{Target: "nickName", Source: "SelectUniqueValue([mailNickname], [mail])", Match: 2, Apply: "onCreate"}),
		"unique value always":       with(AttributeSpec{Target: "nickName", Source: "SelectUniqueValue([mailNickname], [mail])"}),
		"random always":             with(AttributeSpec{Target: "nickName", Source: "Guid()"}),
		"flowNull on a match":       {Attributes: []AttributeSpec{{Target: "externalId", Source: "[objectId]", Match: 1, FlowNull: true}}},
		"flowNull on active":        {Attributes: []AttributeSpec{{Target: "userName", Source: "[mail]", Match: 1}, {Target: "active", Source: "[accountEnabled]", FlowNull: true}}},
		"flowNull on a list":        with(AttributeSpec{Target: "roles", Source: "AppRoleAssignments([appRoleAssignments])", FlowNull: true}),
		"action unknown":            {Actions: []string{"create", "updat"}},
		"filter operator":           filtered("department", "EQUAL", "Sales"),
		"filter operator far off":   filtered("department", "SOUNDS LIKE", "Sales"),
		"filter group membership":   filtered("department", "IsMemberOf", "Sales"),
		"filter without value":      filtered("department", "EQUALS"),
		"filter without attribute":  filtered("", "EQUALS", "x"),
		"filter number":             filtered("employeeId", "Greater_Than", "many"),
		"filter pattern":            filtered("jobTitle", "REGEX MATCH", "([a-z"),
		"filter manager":            filtered("manager", "IS NOT NULL"),
		"filter attribute misspelt": filtered("departement", "IS NOT NULL"),
		"filter without clauses":    {Filter: []FilterSpec{{Name: "f"}}},
	}
}

// schemaMistakes are changes of webex-default.json: texts that are replaced, once each.
var schemaMistakes = map[string][]string{
	"not JSON":              {`"directories"`, `directories`},
	"directories missing":   {`"directories"`, `"directory"`},
	"directories no array":  {`"directories": [`, `"directories": {}, "x": [`},
	"flag as text":          {`"enabled": true`, `"enabled": "yes"`},
	"rule list":             {`"objectMappings": [`, `"objectMappings": 7, "x": [`},
	"unknown directory":     {`"targetDirectoryName": "Meeting Suite (sample)"`, `"targetDirectoryName": "Meeting Suit (sample)"`},
	"no outbound rule":      {`"sourceDirectoryName": "Microsoft Entra ID"`, `"sourceDirectoryName": "Meeting Suite (sample)"`},
	"unknown object":        {`"sourceObjectName": "User"`, `"sourceObjectName": "Users"`},
	"flow types":            {`"flowTypes": "Add,Update,Delete"`, `"flowTypes": "Add,Updates"`},
	"flow type":             {`"flowType": "Always"`, `"flowType": "Alway"`},
	"attribute type":        {`"type": "Boolean"`, `"type": "Bool"`},
	"source type":           {`"type": "Attribute"`, `"type": "Attr"`},
	"unknown target":        {`"targetAttributeName": "displayName"`, `"targetAttributeName": "displyName"`},
	"target path":           {`"targetAttributeName": "displayName"`, `"targetAttributeName": "display Name"`},
	"identifier":            {`"targetAttributeName": "displayName"`, `"targetAttributeName": "id"`},
	"target twice":          {`"targetAttributeName": "displayName"`, `"targetAttributeName": "userName"`},
	"no target":             {`"targetAttributeName": "displayName"`, `"targetAttributeName": null`},
	"no match":              {`"matchingPriority": 1`, `"matchingPriority": 0`},
	"match twice":           {`"matchingPriority": 0`, `"matchingPriority": 1`},
	"fractional match":      {`"matchingPriority": 1`, `"matchingPriority": 1.5`},
	"expression":            {`"expression": "[displayName]"`, `"expression": "[displayName"`},
	"unique match":          {`"expression": "[userPrincipalName]"`, `"expression": "SelectUniqueValue([mail], [userPrincipalName])"`},
	"unknown source":        {`"expression": "[givenName]"`, `"expression": "[givnName]"`},
	"tree":                  {`"name": "givenName"`, `"name": "surname"`, `"expression": "[givenName]"`, `"expression": "[givenName]"`},
	"required and unmapped": {`"targetAttributeName": "userName"`, `"targetAttributeName": "title"`},
	"operator":              {`"scope": null`, `"scope": {"groups": [{"name": "g", "clauses": [{"operatorName": "EQUAL", "sourceOperandName": "country", "targetOperand": {"values": ["x"]}}]}]}`},
	"operand":               {`"scope": null`, `"scope": {"inputFilterGroups": [{"clauses": [{"operatorName": "EQUALS", "sourceOperandName": "country"}]}]}`},
	"pattern":               {`"scope": null`, `"scope": {"categoryFilterGroups": [{"clauses": [{"operatorName": "NOT REGEX MATCH", "sourceOperandName": "country", "targetOperand": {"values": ["ok", "(?<"]}}]}]}`},
	"filtered date":         {`"scope": null`, `"scope": {"groups": [{"clauses": [{"operatorName": "IS NULL", "sourceOperandName": "employeeHireDate"}, {"operatorName": "includes", "sourceOperandName": "otherMails", "targetOperand": {"values": ["x"]}}]}]}`},
	"scope":                 {`"scope": null`, `"scope": []`},
	"device objects":        {`"name": "User"`, `"name": "Device"`, `"sourceObjectName": "User"`, `"sourceObjectName": "Device"`},
	"group filter":          {`"includedGroups": []`, `"includedGroups": ["g"]`},
	"account property":      {`"value": "accountEnabled"`, `"value": "enabled"`},
	"clearing a list":       {`"targetAttributeName": "members"`, `"targetAttributeName": "members", "flowNullValues": true`},
}

// Every mistake is answered with its place, its reason and a remedy. Read the golden file.
func TestMistakes(t *testing.T) {
	var b strings.Builder
	section := func(title string) { fmt.Fprintf(&b, "=== %s\n\n", title) }
	section("mappings of the configuration file")
	specs := specMistakes()
	for _, name := range names(specs) {
		_, problems := Compile(specs[name])
		if len(problems) == 0 {
			t.Errorf("%s: nothing is reported", name)
		}
		fmt.Fprintf(&b, "%s\n", name)
		for _, p := range problems {
			if p.Field == "" || p.Message == "" || p.Hint == "" {
				t.Errorf("%s: %+v lacks place, reason or remedy", name, p)
			}
			kind := "error"
			if p.Warning {
				kind = "warning"
			}
			if p.Offset > 0 {
				kind += fmt.Sprintf(" at %d", p.Offset)
			}
			fmt.Fprintf(&b, "  %s %s\n", kind, p)
		}
		b.WriteByte('\n')
	}
	section("schemas")
	webex := string(readExample(t, "webex-default.json"))
	for _, name := range names(schemaMistakes) {
		text := webex
		for i := 0; i < len(schemaMistakes[name]); i += 2 {
			from, to := schemaMistakes[name][i], schemaMistakes[name][i+1]
			if !strings.Contains(text, from) {
				t.Fatalf("%s: %s does not occur", name, from)
			}
			text = strings.Replace(text, from, to, 1)
		}
		s, found := LoadSchema([]byte(text))
		if s != nil {
			found = append(found, s.Ignored()...)
		}
		if len(found) == 0 {
			t.Errorf("%s: nothing is reported", name)
		}
		fmt.Fprintf(&b, "%s\n", name)
		for _, d := range found {
			if d.Hint == "" {
				t.Errorf("%s: %s has no remedy", name, d)
			}
			fmt.Fprintf(&b, "  %s\n", d)
		}
		b.WriteByte('\n')
	}
	const golden = "testdata/mistakes.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("run with -update and read the change: -want +got\n%s", diff)
	}
}
