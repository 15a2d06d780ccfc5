package test

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/mapping"
)

// acceptNull: an attribute that became empty at the source is cleared at the application when both gates of the schema are open.
func acceptNull(t *testing.T) {
	title := mapping.AttributeSpec{Target: "title", Source: "[jobTitle]", FlowNull: true}
	schema := string(mapping.ExportSchema(*mapped(t, nil, title), nil, "scim"))
	gates := strings.Count(schema, `"flowNullValues": true`)
	if gates != 2 {
		t.Fatalf("the schema has %d gates open, want one of the mapping and one of the attribute", gates)
	}
	for name, s := range map[string]struct {
		mapping *mapping.Mapping
		clears  bool
	}{
		"by default":     {mapped(t, nil, mapping.AttributeSpec{Target: "title", Source: "[jobTitle]"}), false},
		"both gates":     {imported(t, schema), true},
		"the first gate": {imported(t, closed(schema, 2)), false},
		"the other gate": {imported(t, closed(schema, 1)), false},
	} {
		w := bubble(t, setting{mapping: s.mapping, app: withBodies})
		id := w.assigned("ann")[0]
		w.dir.UpdateUser(id, map[string]any{"jobTitle": "Pilot"})
		w.sync()
		if v := w.mustAccount(id).Value("title"); v != "Pilot" {
			t.Fatalf("%s: title %v", name, v)
		}
		w.dir.UpdateUser(id, map[string]any{"jobTitle": nil})
		w.sync()
		if n := w.app.Requests().Writes; (n > 0) != s.clears {
			t.Errorf("%s: %d writes", name, n)
		}
		if v := w.mustAccount(id).Value("title"); (v == nil) != s.clears {
			t.Errorf("%s: title %v", name, v)
		}
		if b := w.bodies("PATCH", "/Users/{id}"); s.clears && (len(b) != 1 || !strings.Contains(strings.ToLower(b[0]), `"remove"`)) {
			t.Errorf("%s: sent %q", name, b)
		}
		w.quiet()
	}
}

// closed is a schema whose n-th open gate for empty values is closed.
func closed(schema string, n int) string {
	const open = `"flowNullValues": true`
	from := 0
	for range n - 1 {
		from += strings.Index(schema[from:], open) + len(open)
	}
	return schema[:from] + strings.Replace(schema[from:], open, `"flowNullValues": false`, 1)
}

// imported is the mapping of a schema.
func imported(t *testing.T, schema string) *mapping.Mapping {
	t.Helper()
	s, findings := mapping.LoadSchema([]byte(schema))
	if s == nil {
		t.Fatalf("the schema is rejected: %v", findings)
	}
	m := s.Mapping()
	return &m
}
