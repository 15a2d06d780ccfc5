package msgraph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors/internal/wire"
)

// maxDepth is how deep the JSON of an answer may nest; what Graph sends nests to about six.
const maxDepth = 64

// bom is a byte order mark, which some servers and proxies put in front of UTF-8.
const bom = "\xef\xbb\xbf"

// A list is one page of a collection. Its items keep apart what is absent, null and a value: an
// absent property has no key, a null one has nil (GS-HT-1).
type list struct {
	items []map[string]any
	raw   []byte // of value
	next  string // absolute; "" if there is none
	delta string
}

// readList decodes a page strictly: a body that ends early, has something behind its end, lacks
// its list, or has items without an id is damaged (GS-HT-2).
func (s *Source) readList(a *answer) (list, error) {
	var doc struct {
		Value json.RawMessage `json:"value"`
		Next  *string         `json:"@odata.nextLink"`
		Delta *string         `json:"@odata.deltaLink"`
	}
	if err := decode(a, &doc); err != nil {
		return list{}, err
	}
	l := list{raw: doc.Value}
	if len(doc.Value) == 0 || doc.Value[0] != '[' {
		return l, &damaged{"the page has no list"}
	}
	if err := unmarshal(doc.Value, &l.items); err != nil {
		return l, &damaged{"the page has items that are no objects"}
	}
	for _, item := range l.items {
		if identity(item) == "" {
			return l, &damaged{"the page has an item without an id"}
		}
	}
	var err error
	if l.next, err = s.absolute(doc.Next, a.url); err != nil {
		return l, err
	}
	l.delta, err = s.absolute(doc.Delta, a.url)
	return l, err
}

// absolute returns a link as it is, or made absolute if the server left out the host. One that
// leads elsewhere is an error before anything is sent to it (GS-HT-3).
func (s *Source) absolute(link *string, base *url.URL) (string, error) {
	if link == nil || *link == "" {
		return "", nil
	}
	u, err := base.Parse(*link)
	if err != nil {
		return "", &damaged{"the page has a link that is no URL"}
	}
	if !wire.SameOrigin(u, s.root) {
		return "", foreign()
	}
	if len(*link) > 64<<10 {
		return "", &damaged{"the page has a link of more than 64 KiB"}
	}
	if strings.Contains(*link, "://") && !strings.HasPrefix(*link, "/") {
		return *link, nil // byte for byte (GS-DL-1)
	}
	return u.String(), nil
}

// readObject decodes a single object.
func readObject(a *answer) (map[string]any, error) {
	var doc map[string]any
	if err := decode(a, &doc); err != nil {
		return nil, err
	}
	if identity(doc) == "" {
		return nil, &damaged{"the object has no id"}
	}
	return doc, nil
}

func decode(a *answer, into any) error {
	body := bytes.TrimPrefix(a.body, []byte(bom))
	if !isJSON(a.header, body) {
		return &damaged{"the answer is no JSON"}
	}
	if wire.CheckDepth(body, maxDepth) != nil {
		return &damaged{"the JSON nests too deeply"}
	}
	if err := unmarshal(body, into); err != nil {
		return &damaged{"the JSON is cut or malformed"}
	}
	return nil
}

// unmarshal is json.Unmarshal with numbers kept exact until plain makes them int64 or float64.
func unmarshal(b []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the end")
	}
	return nil
}

// identity is the id of an item in lower case (GS-MG-6), "" if it has none.
func identity(item map[string]any) string {
	id, _ := item["id"].(string)
	return strings.ToLower(id)
}

// attributes are the selected properties of an item. Annotations and what was not asked for are
// left out (GS-MG-5).
func (sel selection) attributes(item map[string]any) map[string]any {
	out := make(map[string]any, len(item))
	for name, v := range item {
		if strings.Contains(name, "@") || !sel.names[strings.ToLower(name)] {
			continue
		}
		out[name] = plain(v)
	}
	out["id"] = identity(item)
	return out
}

// plain turns numbers into int64 or float64, in place.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String() // larger than any float: kept as its digits
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// digest names the content of attributes.
func digest(a map[string]any) uint64 {
	b, err := json.Marshal(a) // keys are sorted
	if err != nil {
		return 0 // came from JSON: always encodes
	}
	return hash64(b)
}
