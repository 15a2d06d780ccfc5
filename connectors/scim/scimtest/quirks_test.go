package scimtest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const someone = `{"userName":"noor","active":true,"title":"Pilot","emails":[{"type":"work","value":"w@x"},{"type":"home","value":"h@x"}]}`

func op(op, path, value string) string {
	return patchBody(`{"op":"` + op + `","path":"` + path + `","value":` + value + `}`)
}

// Refusals: one request each, with the quirk refused and without accepted.
func TestRefusingQuirks(t *testing.T) {
	for _, tt := range []struct {
		name               string
		q                  Quirks
		status             int
		scimType           string
		method, path, body string
	}{
		{"PatchStatus", Quirks{PatchStatus: 405}, 405, "", "PATCH", "/Users/u1", op("replace", "title", `"x"`)},
		{"PatchStatus 501", Quirks{PatchStatus: 501}, 501, "", "PATCH", "/Groups/g1", op("replace", "displayName", `"x"`)},
		{"GroupPatchStatus", Quirks{GroupPatchStatus: 501}, 501, "", "PATCH", "/Groups/g1", op("replace", "displayName", `"x"`)},
		{"PutStatus", Quirks{PutStatus: 405}, 405, "", "PUT", "/Users/u1", `{"userName":"x"}`},
		{"DeleteStatus", Quirks{DeleteStatus: 403}, 403, "", "DELETE", "/Users/u1", ""},
		{"GroupsStatus", Quirks{GroupsStatus: 404}, 404, "", "GET", "/Groups", ""},
		{"DiscoveryStatus", Quirks{DiscoveryStatus: 500}, 500, "", "GET", "/Schemas", ""},
		{"PluralConfig", Quirks{PluralConfig: true}, 404, "", "GET", "/ServiceProviderConfig", ""},
		{"MediaTypeStatus", Quirks{MediaTypeStatus: 415}, 415, "", "POST", "/Users", `{"userName":"x"}`},
		{"OpCaseStrict", Quirks{OpCaseStrict: true}, 400, "invalidSyntax", "PATCH", "/Users/u1", op("Replace", "title", `"x"`)},
		{"ActiveStringRefused", Quirks{ActiveStringRefused: true}, 400, "invalidValue", "PATCH", "/Users/u1", op("Replace", "active", `"False"`)},
		{"ActiveStringRefused, POST", Quirks{ActiveStringRefused: true}, 400, "invalidValue", "POST", "/Users", `{"userName":"x","active":"True"}`},
		{"ActiveBoolRefused", Quirks{ActiveBoolRefused: true}, 400, "invalidValue", "PATCH", "/Users/u1", op("replace", "active", `false`)},
		{"AddActiveRefused", Quirks{AddActiveRefused: true}, 400, "invalidSyntax", "PATCH", "/Users/u1", op("add", "active", `false`)},
		{"ValuePathRefused", Quirks{ValuePathRefused: true}, 400, "invalidPath", "PATCH", "/Users/u1", op("replace", `emails[type eq \"work\"].value`, `"x"`)},
		{"PathlessRefused", Quirks{PathlessRefused: true}, 400, "invalidPath", "PATCH", "/Users/u1", patchBody(`{"op":"add","value":{"title":"x"}}`)},
		{"ManagerStringRefused", Quirks{ManagerStringRefused: true}, 400, "invalidValue", "PATCH", "/Users/u1", op("Add", enterpriseURN+":manager", `"u1"`)},
		{"ManagerObjectRefused", Quirks{ManagerObjectRefused: true}, 400, "invalidValue", "PATCH", "/Users/u1", op("add", enterpriseURN+":manager", `{"value":"u1"}`)},
		{"Immutable", Quirks{Immutable: []string{"title"}}, 400, "mutability", "PATCH", "/Users/u1", op("replace", "title", `"x"`)},
		{"Immutable sub-attribute", Quirks{Immutable: []string{"name.givenName"}}, 400, "mutability", "PATCH", "/Users/u1", op("replace", "name.givenName", `"x"`)},
		{"Immutable extension", Quirks{Immutable: []string{enterpriseURN + ":department"}}, 400, "mutability", "PATCH", "/Users/u1", op("replace", enterpriseURN+":department", `"x"`)},
		{"Refused", Quirks{Refused: []string{"title"}}, 400, "invalidValue", "POST", "/Users", `{"userName":"x","title":"t"}`},
		{"Refused, PUT", Quirks{Refused: []string{"title"}}, 400, "invalidValue", "PUT", "/Users/u1", `{"userName":"x","title":"t"}`},
		{"Immutable, PUT", Quirks{Immutable: []string{"title"}}, 400, "mutability", "PUT", "/Users/u1", `{"userName":"x","title":"t"}`},
		{"Refused, PATCH", Quirks{Refused: []string{"title"}}, 400, "invalidValue", "PATCH", "/Users/u1", op("add", "title", `"t"`)},
		{"OneOperation", Quirks{OneOperation: true}, 400, "invalidSyntax", "PATCH", "/Users/u1", patchBody(`{"op":"add","path":"title","value":"x"},{"op":"add","path":"nickName","value":"x"}`)},
		{"MemberBatchLimit", Quirks{MemberBatchLimit: 1}, 413, "", "PATCH", "/Groups/g1", op("add", "members", `[{"value":"u1"},{"value":"u2"}]`)},
		{"RejectUnknownMember", Quirks{RejectUnknownMember: 404}, 404, "", "PATCH", "/Groups/g1", op("add", "members", `[{"value":"u1"},{"value":"u99"}]`)},
		{"RejectUnknownMember, POST", Quirks{RejectUnknownMember: 422}, 422, "", "POST", "/Groups", `{"displayName":"x","members":[{"value":"u99"}]}`},
		{"RejectUnknownMember, PUT", Quirks{RejectUnknownMember: 500}, 500, "", "PUT", "/Groups/g1", `{"displayName":"x","members":[{"value":"u99"}]}`},
		{"RemoveByValueRefused", Quirks{RemoveByValueRefused: true}, 400, "invalidValue", "PATCH", "/Groups/g1", op("Remove", "members", `[{"value":"u1"}]`)},
		{"RemoveByFilterRefused", Quirks{RemoveByFilterRefused: true}, 400, "invalidPath", "PATCH", "/Groups/g1", op("remove", `members[value eq \"u1\"]`, `null`)},
		{"UniqueGroupNames", Quirks{UniqueGroupNames: true}, 409, "uniqueness", "POST", "/Groups", `{"displayName":"PILOTS"}`},
		{"UniqueExternalID", Quirks{UniqueExternalID: true}, 409, "uniqueness", "POST", "/Users", `{"userName":"x","externalId":"e1"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, tt.q)
			a.user(`{"id":"u1","userName":"noor","externalId":"e1","title":"Pilot","emails":[{"type":"work","value":"w"}]}`)
			if _, err := a.AddGroup(map[string]any{"id": "g1", "displayName": "Pilots"}, "u1"); err != nil {
				t.Fatal(err)
			}
			a.refused(tt.status, tt.scimType, tt.method, tt.path, tt.body)
			if u := a.byID("u1"); u.Version != 1 || a.byID("g1").Version != 1 || len(a.Users()) != 1 || len(a.Groups()) != 1 {
				t.Error("a refused request changed something")
			}
			a.SetQuirks(Quirks{})
			if res := a.send(tt.method, tt.path, tt.body); res.StatusCode >= 300 {
				t.Errorf("without the quirk: %d %s", res.StatusCode, res.text)
			}
		})
	}
}

func TestConflictDisguises(t *testing.T) {
	a := start(t, Quirks{})
	a.user(`{"userName":"noor","title":"old"}`)
	for _, tt := range []struct {
		q        Quirks
		status   int
		scimType any
		text     string
	}{
		{Quirks{ConflictStatus: 400}, 400, "uniqueness", "already taken"},
		{Quirks{ConflictStatus: 500}, 500, nil, "unique constraint"},
		{Quirks{HTMLErrors: true}, 409, nil, "<title>409 Conflict</title>"},
	} {
		a.SetQuirks(tt.q)
		res := a.want(tt.status, "POST", "/Users", `{"userName":"noor"}`)
		if res.doc["scimType"] != tt.scimType || !strings.Contains(res.text, tt.text) {
			t.Errorf("%+v: %s", tt, res.text)
		}
	}
	a.SetQuirks(Quirks{ConflictBare: true})
	if res := a.want(409, "POST", "/Users", `{"userName":"noor"}`); res.text != "" {
		t.Errorf("a body: %s", res.text)
	}
	a.SetQuirks(Quirks{UpsertOnCreate: true})
	res := a.want(200, "POST", "/Users", `{"userName":"NOOR","nickName":"n"}`)
	if res.doc["title"] != "old" || res.doc["nickName"] != "n" || len(a.Users()) != 1 {
		t.Errorf("upsert: %s", res.text)
	}
	a.SetQuirks(Quirks{SoftDelete: true})
	a.want(204, "DELETE", "/Users/"+res.doc["id"].(string), "")
	a.refused(409, "uniqueness", "POST", "/Users", `{"userName":"noor"}`)
	a.SetQuirks(Quirks{CaseSensitive: true})
	a.want(201, "POST", "/Users", `{"userName":"Ilmari"}`)
	a.want(201, "POST", "/Users", `{"userName":"ilmari"}`)
	a.refused(409, "uniqueness", "POST", "/Users", `{"userName":"ilmari"}`)
}

func TestCreateAnswers(t *testing.T) {
	a := start(t, Quirks{EmptyBodyOnCreate: true})
	res := a.want(201, "POST", "/Users", `{"userName":"a"}`)
	if res.text != "" || !strings.HasPrefix(res.Header.Get("Location"), a.http.URL+"/scim/v2/Users/") {
		t.Errorf("%v %s", res.Header, res.text)
	}
	a.SetQuirks(Quirks{EmptyBodyOnCreate: true, NoLocation: true, CreateStatus: 202})
	if res := a.want(202, "POST", "/Users", `{"userName":"b"}`); res.text != "" || res.Header.Get("Location") != "" {
		t.Errorf("%v %s", res.Header, res.text)
	}
	a.SetQuirks(Quirks{NoIDInBody: true, CreateStatus: 200})
	if res := a.want(200, "POST", "/Users", `{"userName":"c"}`); res.doc["id"] != nil || res.doc["userName"] != "c" {
		t.Errorf("%s", res.text)
	}
	a.SetQuirks(Quirks{NumericIDs: true})
	res = a.want(201, "POST", "/Users", `{"userName":"d"}`)
	if !strings.Contains(res.text, `"id":9007199254740999`) {
		t.Errorf("id is no number above 2^53: %s", res.text)
	}
	a.want(200, "GET", "/Users/9007199254740999", "")
	a.SetQuirks(Quirks{PlainContentType: true})
	if got := a.want(200, "GET", "/Users", "").Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestUpdateAnswers(t *testing.T) {
	a := start(t, Quirks{})
	id := a.user(someone)
	g := a.group("Pilots", id)
	patch := op("replace", "title", `"x"`)
	a.SetQuirks(Quirks{UpdateStatus: 204})
	if res := a.want(204, "PATCH", "/Users/"+id, patch); res.text != "" {
		t.Errorf("%s", res.text)
	}
	a.SetQuirks(Quirks{UpdateStatus: 202})
	if res := a.want(202, "PUT", "/Users/"+id, someone); res.text != "" {
		t.Errorf("%s", res.text)
	}
	a.SetQuirks(Quirks{PreImage: true, PatchBody: true})
	if res := a.want(200, "PATCH", "/Users/"+id, patch); res.doc["title"] != "Pilot" {
		t.Errorf("%s", res.text)
	}
	if res := a.want(200, "PATCH", "/Groups/"+g, op("replace", "displayName", `"Tugs"`)); res.doc["displayName"] != "Pilots" {
		t.Errorf("%s", res.text)
	}
	if a.byID(id).Value("title") != "x" {
		t.Error("not applied")
	}
}

func TestDisableHabits(t *testing.T) {
	disable, enable := op("Replace", "active", `"False"`), op("Replace", "active", `"True"`)

	a := start(t, Quirks{IgnoreActive: true})
	id := a.user(someone)
	a.want(200, "PATCH", "/Users/"+id, disable)
	if !a.byID(id).Active {
		t.Error("IgnoreActive: disabled")
	}

	a.SetQuirks(Quirks{MaskOnDisable: true})
	if res := a.want(200, "PATCH", "/Users/"+id, disable); res.doc["userName"] == "noor" || res.doc["emails"] != nil {
		t.Errorf("MaskOnDisable: %s", res.text)
	}
	if got := found(a.want(200, "GET", filterURL("/Users", `userName eq "noor"`), "")); got != nil {
		t.Errorf("MaskOnDisable: found as %q", got)
	}
	if got := found(a.want(200, "GET", "/Users", "")); len(got) != 1 {
		t.Errorf("MaskOnDisable: not listed")
	}
	res := a.want(200, "PATCH", "/Users/"+id, enable)
	if res.doc["userName"] != "noor" || len(res.doc["emails"].([]any)) != 2 {
		t.Errorf("MaskOnDisable: not back: %s", res.text)
	}

	g := a.group("Pilots", id)
	a.SetQuirks(Quirks{DropMembershipOnDisable: true, GoneOnDisable: true})
	a.want(200, "PATCH", "/Users/"+id, disable)
	if got := a.byID(g).Members; len(got) != 0 {
		t.Errorf("DropMembershipOnDisable: %v", got)
	}
	checkReverseIndex(t, a.Server)
	a.want(404, "GET", "/Users/"+id, "")
	a.want(404, "PATCH", "/Users/"+id, enable)
}

func TestStorageHabits(t *testing.T) {
	a := start(t, Quirks{SingleEmail: true, RewritePhones: true, Dropped: []string{"nickName", "department"}})
	res := a.want(201, "POST", "/Users", `{"userName":"noor","nickName":"n","emails":[{"value":"a"},{"value":"b"}],"phoneNumbers":[{"type":"work","value":"+47 (900) 42"}],
		"`+enterpriseURN+`":{"department":"P","costCenter":"9"}}`)
	want := map[string]any{"emails": []any{map[string]any{"value": "b"}}, "phoneNumbers": []any{map[string]any{"type": "work", "value": "4790042"}}, enterpriseURN: map[string]any{"costCenter": "9"}}
	for name, v := range want {
		if !cmp.Equal(res.doc[name], v) {
			t.Errorf("%s: %v, want %v", name, res.doc[name], v)
		}
	}
	if res.doc["nickName"] != nil {
		t.Errorf("nickName is kept: %s", res.text)
	}
	id := res.doc["id"].(string)
	a.SetQuirks(Quirks{})
	a.want(200, "PATCH", "/Users/"+id, op("add", "nickName", `"n"`))
	a.SetQuirks(Quirks{Dropped: []string{"nickName"}, PutEnables: true})
	if res := a.want(200, "PATCH", "/Users/"+id, op("replace", "nickName", `"m"`)); res.doc["nickName"] != "n" {
		t.Errorf("Dropped: %s", res.text)
	}
	if res := a.want(200, "PUT", "/Users/"+id, `{"userName":"noor"}`); res.doc["active"] != true {
		t.Errorf("PutEnables: %s", res.text)
	}
	a.SetQuirks(Quirks{DottedKeysLiteral: true})
	res = a.want(200, "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"name.givenName":"N","title":"t"}}`))
	if res.doc["name.givenName"] != "N" || res.doc["name"] != nil || res.doc["title"] != "t" {
		t.Errorf("DottedKeysLiteral: %s", res.text)
	}
}

func TestReadHabits(t *testing.T) {
	a := start(t, Quirks{})
	id := a.user(`{"userName":"noor","active":true,"title":"Pilot","emails":[{"value":"w","primary":true}],"` + enterpriseURN + `":{"department":"P"}}`)
	other := a.user(`{"userName":"ilmari"}`)
	g := a.group("Pilots", id, other)
	user := func(q Quirks) map[string]any {
		a.SetQuirks(q)
		doc := a.want(200, "GET", "/Users/"+id, "").doc
		if list := a.want(200, "GET", "/Users?count=1", "").doc; !cmp.Equal(list["Resources"], any([]any{doc})) {
			t.Errorf("%+v: list and read differ: %v %v", q, list, doc)
		}
		return doc
	}
	if doc := user(Quirks{StringBooleans: true}); doc["active"] != "True" || doc["emails"].([]any)[0].(map[string]any)["primary"] != "True" {
		t.Errorf("StringBooleans: %v", doc)
	}
	if doc := user(Quirks{LowerKeys: true}); doc["username"] != "noor" || doc["userName"] != nil {
		t.Errorf("LowerKeys: %v", doc)
	}
	if doc := user(Quirks{FlatExtension: true}); doc["department"] != "P" || doc[enterpriseURN] != nil {
		t.Errorf("FlatExtension: %v", doc)
	}
	if doc := user(Quirks{HideAttributes: []string{"active", enterpriseURN + ":department"}}); doc["active"] != nil || len(doc[enterpriseURN].(map[string]any)) != 0 {
		t.Errorf("HideAttributes: %v", doc)
	}
	if doc := user(Quirks{ShowGroups: true}); doc["groups"].([]any)[0].(map[string]any)["value"] != g {
		t.Errorf("ShowGroups: %v", doc)
	}
	a.SetQuirks(Quirks{HideMembers: true})
	if doc := a.want(200, "GET", "/Groups/"+g, "").doc; doc["members"] != nil {
		t.Errorf("HideMembers: %v", doc)
	}
	a.SetQuirks(Quirks{MemberReadLimit: 1})
	if doc := a.want(200, "GET", "/Groups/"+g, "").doc; len(doc["members"].([]any)) != 1 {
		t.Errorf("MemberReadLimit: %v", doc)
	}
}

func TestETags(t *testing.T) {
	a := start(t, Quirks{ETags: true})
	id := a.user(someone)
	res := a.want(200, "GET", "/Users/"+id, "")
	tag := res.Header.Get("Etag")
	if tag != `W/"1"` || res.doc["meta"].(map[string]any)["version"] != tag {
		t.Fatalf("ETag %q: %s", tag, res.text)
	}
	send := func(method, tag, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, a.http.URL+"/scim/v2/Users/"+id, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-Match", tag)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	title := op("replace", "title", `"x"`)
	for _, tt := range []struct {
		method, tag, body string
		want              int
	}{
		{"PATCH", `W/"1"`, title, 200}, {"PATCH", `W/"1"`, title, 412}, {"PUT", `W/"1"`, someone, 412}, {"DELETE", `W/"1"`, "", 412},
		{"PUT", `W/"2"`, someone, 200}, {"PATCH", `*`, title, 200}, {"DELETE", `W/"4"`, "", 204},
	} {
		if got := send(tt.method, tt.tag, tt.body); got != tt.want {
			t.Errorf("%s with %s: %d, want %d", tt.method, tt.tag, got, tt.want)
		}
	}
}

func TestRateLimit(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	a := start(t, Quirks{RateLimit: 2})
	a.now = func() time.Time { return now }
	a.want(200, "GET", "/Users", "")
	a.want(200, "GET", "/Users", "")
	if res := a.want(429, "GET", "/Users", ""); res.Header.Get("Retry-After") != "1" || res.doc["status"] != "429" {
		t.Errorf("%v %s", res.Header, res.text)
	}
	a.Change(func(q *Quirks) { q.RetryAfter = "Wed, 21 Oct 2026 07:28:00 GMT" })
	if got := a.want(429, "GET", "/Users", "").Header.Get("Retry-After"); got != "Wed, 21 Oct 2026 07:28:00 GMT" {
		t.Errorf("Retry-After %q", got)
	}
	a.Change(func(q *Quirks) { q.RetryAfter = "-" })
	if got := a.want(429, "GET", "/Users", "").Header.Values("Retry-After"); len(got) != 0 {
		t.Errorf("Retry-After %q", got)
	}
	now = now.Add(time.Second)
	a.want(200, "GET", "/Users", "")
}

func TestCutCreate(t *testing.T) {
	a := start(t, Quirks{CutCreate: true, SlowCreate: time.Millisecond, Latency: time.Millisecond})
	if res, err := a.try("POST", "/Users", someone); !errors.Is(err, io.EOF) {
		t.Fatalf("answered %v, %v", res.StatusCode, err)
	}
	if _, ok := a.User("noor"); !ok {
		t.Error("the create was not applied")
	}
	a.want(409, "POST", "/Users", someone)
	if c := a.Requests(); c.Cut != 1 || c.Status[0] != 1 {
		t.Errorf("counts %+v", c)
	}
}

func TestHTMLErrors(t *testing.T) {
	a := start(t, Quirks{HTMLErrors: true})
	res := a.want(404, "GET", "/Users/nobody", "")
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || !strings.HasPrefix(res.text, "<!DOCTYPE html>") {
		t.Errorf("%v %s", res.Header, res.text)
	}
	a.want(200, "GET", "/Users", "")
}

func TestPluralConfig(t *testing.T) {
	a := start(t, Quirks{PluralConfig: true})
	if doc := a.want(200, "GET", "/ServiceProviderConfigs", "").doc; doc["patch"] == nil {
		t.Errorf("%v", doc)
	}
}
