package graphtest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// damage works on a page before it is written.
func (f *fault) damage(c *call, p *page) {
	switch f.Effect {
	case NoLinks:
		p.next, p.delta = "", ""
	case BothLinks:
		p.next, p.delta = cmp.Or(p.next, c.self), cmp.Or(p.delta, strings.Replace(cmp.Or(p.next, c.self), "$skiptoken", "$deltatoken", 1))
	case SameLink:
		p.next, p.delta = c.self, ""
	case Loop:
		if p.link != nil {
			first := p.pos
			first.Page, first.Number, first.Again = 0, p.pos.Number+1, true
			p.next, p.delta = p.link(first), ""
		}
	case ForeignLink:
		p.next, p.delta = f.elsewhere(p.next), f.elsewhere(p.delta)
	case RelativeLink:
		p.next, p.delta = strings.TrimPrefix(p.next, originOf(p.next)), strings.TrimPrefix(p.delta, originOf(p.delta))
	case DupPage:
		if p.link != nil && !p.pos.Again {
			same := p.pos
			same.Again, same.Number = true, p.pos.Number+1
			p.next, p.delta = p.link(same), ""
		}
	case DropPage:
		f.drop(p)
	case EmptyList:
		p.items, p.ends, p.next = nil, nil, ""
	case Shrink:
		f.shrink(c, p)
	case NullItem, NoID, DupIDs, WrongType, BigNumber, LongString, Unicode:
		f.spoil(p)
	}
}

func (f *fault) elsewhere(link string) string {
	if link == "" {
		return ""
	}
	return f.foreign() + strings.TrimPrefix(link, originOf(link))
}

// drop puts the following page in the place of this one; the last one loses its items only.
func (f *fault) drop(p *page) {
	if p.next == "" || p.build == nil {
		p.items, p.ends = nil, nil
		return
	}
	pos := p.pos
	if len(p.ends) == 0 {
		return // an empty page has nothing to lose
	}
	if strings.HasPrefix(pos.Feed, "/") {
		pos.Page += len(p.ends)
	} else {
		pos.Page++
	}
	pos.Number++
	after := p.build(pos)
	p.items, p.ends, p.next, p.delta = after.items, after.ends, after.next, after.delta
}

func (f *fault) shrink(c *call, p *page) {
	keep := &page{}
	for i := range p.ends {
		if chance(mix(c.id, 8, uint64(i))) >= f.Percent/100 {
			keep.items = append(keep.items, p.item(i)...)
			keep.ends = append(keep.ends, len(keep.items))
		}
	}
	p.items, p.ends = keep.items, keep.ends
}

// spoil damages one item.
func (f *fault) spoil(p *page) {
	if f.N < 0 || f.N >= len(p.ends) {
		return
	}
	if f.Effect == NullItem {
		p.replace(f.N, []byte("null"))
		return
	}
	var item map[string]any
	if json.Unmarshal(p.item(f.N), &item) != nil {
		return
	}
	name := cmp.Or(f.Property, "displayName")
	switch f.Effect {
	case NoID:
		delete(item, "id")
	case DupIDs:
		var after map[string]any
		if f.N+1 >= len(p.ends) || json.Unmarshal(p.item(f.N+1), &after) != nil {
			return
		}
		after["id"] = item["id"]
		p.replace(f.N+1, mustJSON(after))
		return
	case WrongType:
		item[name] = wrong(item[name])
	case BigNumber:
		item["sandboxNumber"] = json.Number("1152921504606846976")
	case LongString:
		item[name] = strings.Repeat("x", 1<<20)
		item["sandboxDeep"] = json.RawMessage(strings.Repeat("[", 500) + strings.Repeat("]", 500))
	case Unicode:
		// Right-to-left override, an emoji of several code points, a combining form, NUL and a lone surrogate.
		item[name] = json.RawMessage(`"\u202eabc\u202c 👩‍🚀 e\u0301 \u0000 \ud800 end"`)
	}
	p.replace(f.N, mustJSON(item))
}

// wrong is a value of another JSON type.
func wrong(v any) any {
	switch v.(type) {
	case string:
		return 42
	case bool:
		return "true"
	case []any:
		return map[string]any{"0": "not a list"}
	case map[string]any:
		return []any{"not an object"}
	}
	return []any{}
}

func mustJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // decoded from JSON a moment ago
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// A delivery is an answer ready to be sent, with what happens on the wire.
type delivery struct {
	status int
	header http.Header
	body   []byte
	cut    func(items int) int
	fault  *fault

	delay, pause   time.Duration
	reset          string
	chunked, dripy bool
}

// disturb works on the bytes of an answer and on how they travel.
func (f *fault) disturb(c *call, d *delivery) {
	switch f.Effect {
	case TruncateAt:
		d.body = d.body[:min(max(f.N, 0), len(d.body))]
	case TruncateItem:
		if d.cut != nil {
			d.body = d.body[:d.cut(f.N)]
		}
	case WrongType:
		if f.Property == "value" {
			d.body = bytes.Replace(d.body, []byte(`"value":[`), []byte(`"value":{"list":[`), 1)
			d.body = append(bytes.TrimSuffix(d.body, []byte("]}")), "]}}"...)
		}
	case Reset:
		d.reset = cmp.Or(f.Where, "before")
	case Slow:
		d.delay = time.Duration(f.Delay)
	case Drip:
		d.dripy, d.pause = true, time.Duration(f.Delay)
	case UTF8BOM:
		d.body = append([]byte("\xef\xbb\xbf"), d.body...)
	case Gzip:
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(d.body) // into memory: cannot fail
		z.Close()
		d.body = b.Bytes()
		d.header.Set("Content-Encoding", "gzip")
	case Chunked:
		d.chunked = true
	case ClockSkew:
		d.header.Set("Date", c.s.dir.now.Add(skew).UTC().Format(http.TimeFormat))
	}
	for k, v := range f.Header {
		d.header.Set(k, v)
	}
}
