package scimtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBulk(t *testing.T) {
	a := start(t, Quirks{BulkOps: 6})
	old := a.user(`{"userName":"old"}`)
	ask := func(failOnErrors, ops string) []any {
		t.Helper()
		return a.want(200, "POST", "/Bulk", `{"schemas":["`+bulkRequestURN+`"],"failOnErrors":`+failOnErrors+`,"Operations":[`+ops+`]}`).doc["Operations"].([]any)
	}
	statuses := func(ops []any) []string {
		var out []string
		for _, o := range ops {
			out = append(out, o.(map[string]any)["status"].(string))
		}
		return out
	}
	got := ask("0", `{"method":"POST","bulkId":"a","path":"/Users","data":{"userName":"noor"}},
		{"method":"POST","bulkId":"b","path":"/Users","data":{"userName":"noor"}},
		{"method":"POST","bulkId":"g","path":"/Groups","data":{"displayName":"Pilots","members":[{"value":"bulkId:a"}]}},
		{"method":"PATCH","path":"/Users/bulkId:a","data":`+op("replace", "title", `"x"`)+`},
		{"method":"DELETE","path":"/Users/`+old+`"},
		{"method":"PATCH","path":"/Groups/bulkId:z","data":{}}`)
	if want := []string{"201", "409", "201", "200", "204", "409"}; !cmp.Equal(statuses(got), want) {
		t.Errorf("statuses %v, want %v: %v", statuses(got), want, got)
	}
	noor, _ := a.User("noor")
	g, _ := a.Group("Pilots")
	if noor.Value("title") != "x" || !cmp.Equal(g.Members, []string{noor.ID}) || len(a.Users()) != 1 {
		t.Errorf("%+v %+v", noor, g)
	}
	first, second := got[0].(map[string]any), got[1].(map[string]any)
	if first["bulkId"] != "a" || first["location"] != a.http.URL+"/scim/v2/Users/"+noor.ID || second["response"].(map[string]any)["scimType"] != "uniqueness" {
		t.Errorf("%v", got)
	}
	got = ask("1", `{"method":"POST","bulkId":"a","path":"/Users","data":{"userName":"noor"}},{"method":"POST","bulkId":"b","path":"/Users","data":{"userName":"b"}}`)
	if want := []string{"409"}; !cmp.Equal(statuses(got), want) {
		t.Errorf("failOnErrors 1: %v", got)
	}
	got = ask("0", `{"method":"GET","path":"/Users"},{"method":"POST","path":"/Users","data":{"userName":"c"}},{"method":"POST","bulkId":"x","path":"/Bulk","data":{}}`)
	if want := []string{"400", "400", "400"}; !cmp.Equal(statuses(got), want) {
		t.Errorf("%v", got)
	}
	a.refused(400, "invalidSyntax", "POST", "/Bulk", `{}`)
	a.want(405, "GET", "/Bulk", "")
	a.Change(func(q *Quirks) { q.BulkOps = 1 })
	a.want(413, "POST", "/Bulk", `{"schemas":["`+bulkRequestURN+`"],"Operations":[{},{}]}`)
	a.SetQuirks(Quirks{})
	a.want(404, "POST", "/Bulk", `{}`)
}

func TestCursor(t *testing.T) {
	a := start(t, Quirks{Cursor: true, PageSize: 2})
	var names []string
	for _, n := range []string{"e", "d", "c", "b", "a"} {
		a.user(`{"userName":"` + n + `"}`)
		names = append(names, n)
	}
	walk := func(query string, between func()) []string {
		t.Helper()
		var got []string
		cursor := ""
		for range 10 {
			res := a.want(200, "GET", "/Users?"+query+"&cursor="+cursor, "")
			got = append(got, found(res)...)
			if _, ok := res.doc["startIndex"]; ok {
				t.Errorf("startIndex in %s", res.text)
			}
			next, ok := res.doc["nextCursor"].(string)
			if !ok {
				return got
			}
			cursor = next
			if between != nil {
				between()
				between = nil
			}
		}
		t.Fatalf("%s: no end", query)
		return nil
	}
	if got := walk("", nil); !cmp.Equal(got, names) {
		t.Errorf("%v", got)
	}
	if got := walk("sortBy=userName", nil); !cmp.Equal(got, []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("sorted: %v", got)
	}
	gone, _ := a.User("e")
	if got := walk("", func() { a.Delete(gone.ID) }); !cmp.Equal(got, names) {
		t.Errorf("a deletion between pages: %v", got)
	}
	for _, c := range []string{"x", "!", "LjE", "MS4tMQ"} {
		a.refused(400, "invalidCursor", "GET", "/Users?cursor="+c, "")
	}
	if res := a.want(200, "GET", "/Users", ""); res.doc["nextCursor"] != nil {
		t.Errorf("a cursor unasked: %s", res.text)
	}
	a.SetQuirks(Quirks{CursorUnasked: true, PageSize: 2})
	if res := a.want(200, "GET", "/Users", ""); res.doc["nextCursor"] == nil {
		t.Errorf("no cursor: %s", res.text)
	}
	if doc := a.want(200, "GET", "/ServiceProviderConfig", "").doc; doc["pagination"].(map[string]any)["defaultPaginationMethod"] != "cursor" {
		t.Errorf("%v", doc)
	}
	a.SetQuirks(Quirks{PageSize: 2})
	if res := a.want(200, "GET", "/Users?cursor=x", ""); res.doc["nextCursor"] != nil {
		t.Errorf("cursors are not offered: %s", res.text)
	}
}
