package scim

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// resource is an object of the target in canonical spelling (10.3).
type resource struct {
	engine.Resource
	raw      object    // as it was sent, for read-merge-write
	created  time.Time // meta.created, zero if the server does not tell
	version  string    // meta.version
	location string    // meta.location
	literal  bool      // dotted keys such as "name.givenName" were stored as they are
}

// errNotObject says that an answer holds something else than one resource.
var errNotObject = errors.New("the answer is not a resource")

// parseResource reads one resource from a body.
func parseResource(body []byte, k engine.Kind, lim limits) (resource, error) {
	v, err := parseJSON(body, lim)
	if err != nil {
		return resource{}, err
	}
	o, ok := v.(object)
	if !ok {
		return resource{}, errNotObject
	}
	return canonical(o, k), nil
}

// canonical normalises a resource: names in their right case, extensions under their URN, text
// booleans and numbers as what they mean, single objects and bare strings as the lists they stand
// for, nothing that is empty. Members are left out. Values we know nothing about stay as they are.
func canonical(raw object, k engine.Kind) resource {
	r := resource{raw: raw}
	out := make(map[string]any, len(raw))
	var flat map[string]any // enterprise attributes found at the top level
	for _, f := range raw {
		name, v := f.name, f.value
		a, ok := lookup(coreAttributes, name)
		switch {
		case ok && a.name == "id":
			r.ID = idText(v)
		case ok && a.name == "meta":
			r.meta(v)
		case ok && (a.name == "members" || a.name == "schemas"):
		case ok:
			join(out, a.name, tidy(a.form, v))
		case isURN(name):
			r.extension(out, name, v)
		case strings.IndexByte(name, '.') > 0:
			r.literal = r.dotted(out, name, v) || r.literal
		default:
			if e, ok := lookup(enterpriseAttributes, name); ok && k == engine.User {
				if flat == nil {
					flat = map[string]any{}
				}
				put(flat, e.name, tidyEnterprise(e, v))
				continue
			}
			put(out, name, plain(v))
		}
	}
	if flat != nil {
		ext, _ := out[enterpriseURN].(map[string]any)
		if ext == nil {
			ext = map[string]any{}
			out[enterpriseURN] = ext
		}
		for n, v := range flat {
			if ext[n] == nil {
				ext[n] = v
			}
		}
	}
	r.Attributes = out
	return r
}

// put stores what is not empty: "", null, [] and {} all mean absent. Of duplicates the last wins.
func put(m map[string]any, name string, v any) {
	if empty(v) {
		delete(m, name)
		return
	}
	m[name] = v
}

// join stores a value like put. An object that is partly there already, from dotted names, is
// completed: the order in which members come does not matter.
func join(m map[string]any, name string, v any) {
	more, also := v.(map[string]any)
	if !also {
		put(m, name, v)
		return
	}
	there, ok := m[name].(map[string]any)
	if !ok {
		put(m, name, v)
		return
	}
	for n, e := range more {
		there[n] = e
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	case object:
		return len(v) == 0
	}
	return false
}

func (r *resource) meta(v any) {
	if l, ok := v.([]any); ok && len(l) == 1 {
		v = l[0]
	}
	m, ok := v.(object)
	if !ok {
		return
	}
	r.version = scalar(m.at("version"))
	r.location = scalar(m.at("location"))
	if t, err := time.Parse(time.RFC3339, scalar(m.at("created"))); err == nil {
		r.created = t
	}
}

// extension stores the object of a schema, or one attribute of it whose name was written with the
// URN in front.
func (r *resource) extension(out map[string]any, name string, v any) {
	if strings.EqualFold(name, userURN) || strings.EqualFold(name, groupURN) {
		if m, ok := v.(object); ok { // core attributes under their own schema
			inner := canonical(m, engine.User)
			for n, v := range inner.Attributes {
				put(out, n, v)
			}
		}
		return
	}
	if strings.EqualFold(name, enterpriseURN) {
		m, ok := v.(object)
		if !ok {
			return
		}
		ext := target(out, enterpriseURN, len(m))
		for _, f := range m {
			n, v := f.name, f.value
			if a, ok := lookup(enterpriseAttributes, n); ok {
				put(ext, a.name, tidyEnterprise(a, v))
			} else {
				put(ext, n, plain(v))
			}
		}
		if len(ext) == 0 {
			delete(out, enterpriseURN)
		}
		return
	}
	if m, ok := v.(object); ok {
		join(out, name, plain(m))
		return
	}
	cut := strings.LastIndexByte(name, ':')
	urn, attr := name[:cut], name[cut+1:]
	if empty(v) || attr == "" {
		return
	}
	if strings.EqualFold(urn, enterpriseURN) {
		urn = enterpriseURN
		if a, ok := lookup(enterpriseAttributes, attr); ok {
			attr, v = a.name, tidyEnterprise(a, v)
		}
	}
	r.literal = true
	put(target(out, urn, 1), attr, plain(v))
}

// dotted takes "name.givenName" apart; it reports false for names that only happen to hold a dot.
func (r *resource) dotted(out map[string]any, name string, v any) bool {
	attr, sub, _ := strings.Cut(name, ".")
	a, ok := lookup(coreAttributes, attr)
	s, known := lookup(subAttributes, sub)
	if !ok || !known || a.form != formComplex {
		put(out, name, plain(v))
		return false
	}
	if m := target(out, a.name, 4); m[s.name] == nil {
		put(m, s.name, tidy(s.form, v))
	}
	return true
}

// target returns the object at name, made if it is missing.
func target(m map[string]any, name string, size int) map[string]any {
	o, ok := m[name].(map[string]any)
	if !ok {
		o = make(map[string]any, size)
		m[name] = o
	}
	return o
}

func tidyEnterprise(a known, v any) any {
	if a.form == formComplex { // manager: an object, a bare id, or a list of one
		if l, ok := v.([]any); ok && len(l) == 1 {
			v = l[0]
		}
		if s := idText(v); s != "" {
			return map[string]any{"value": s}
		}
		return tidy(formComplex, v)
	}
	return tidy(a.form, v)
}

// tidy brings the value of a known attribute into the form RFC 7643 gives it.
func tidy(f form, v any) any {
	switch f {
	case formBoolean:
		return boolean(v)
	case formComplex:
		if l, ok := v.([]any); ok {
			if len(l) != 1 {
				return nil
			}
			v = l[0]
		}
		if m, ok := v.(object); ok {
			return element(m)
		}
		if !simple(v) {
			return nil
		}
		return plain(v)
	case formList:
		l, ok := v.([]any)
		if !ok {
			l = []any{v}
		}
		out := make([]any, 0, len(l))
		for _, e := range l {
			switch e := e.(type) {
			case object:
				if m := element(e); len(m) > 0 {
					out = append(out, m)
				}
			default:
				if p := plain(e); !empty(p) {
					out = append(out, map[string]any{"value": p})
				}
			}
		}
		return out
	}
	if l, ok := v.([]any); ok && len(l) == 1 && simple(l[0]) {
		v = l[0]
	}
	return plain(v)
}

func simple(v any) bool {
	switch v.(type) {
	case object, []any:
		return false
	}
	return true
}

func element(m object) map[string]any {
	out := make(map[string]any, len(m))
	for _, f := range m {
		n, v := f.name, f.value
		if a, ok := lookup(subAttributes, n); ok {
			if digits, ok := v.(number); ok && a.form == formText {
				v = string(digits) // an id, mostly
			}
			put(out, a.name, tidy(a.form, v))
		} else {
			put(out, n, plain(v))
		}
	}
	return out
}

// boolean reads true, "True", 1, "0" and the like; what is none of them stays as it is.
func boolean(v any) any {
	switch strings.ToLower(scalar(v)) {
	case "true", "1":
		return true
	case "false", "0":
		return false
	}
	return plain(v)
}

func scalar(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	case number:
		return string(v)
	}
	return ""
}

// plain replaces numbers by int64 or float64 and drops nothing but null members.
func plain(v any) any {
	switch v := v.(type) {
	case number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return n
		}
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil || math.IsInf(f, 0) {
			return string(v)
		}
		return f
	case object:
		out := make(map[string]any, len(v))
		for _, f := range v {
			put(out, f.name, plain(f.value))
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, plain(e))
		}
		return out
	}
	return v
}

// idText reads an id: a string, or a number with all its digits. "" is no id.
func idText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case number:
		return string(v)
	}
	return ""
}

// text reads a value where a string belongs; numbers keep their digits (meta.version).
func text(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return scalar(v)
}

// lastSegment is the id at the end of a Location: the only use ever made of one (10.2).
func lastSegment(location string) string {
	location, _, _ = strings.Cut(location, "?")
	location, _, _ = strings.Cut(location, "#")
	location = strings.TrimRight(location, "/")
	s := location[strings.LastIndexByte(location, '/')+1:]
	if id, err := url.PathUnescape(s); err == nil {
		s = id
	}
	for _, n := range endpointNames {
		if strings.EqualFold(s, n) {
			return ""
		}
	}
	return s
}

// page is one ListResponse.
type page struct {
	total     int // -1 if the server does not tell
	resources []resource
	next      string // nextCursor
}

var errNotList = errors.New("the answer is not a ListResponse")

// parsePage reads a ListResponse; counts may be text, names may be in any case.
func parsePage(body []byte, k engine.Kind, lim limits) (page, error) {
	v, err := parseJSON(body, lim)
	if err != nil {
		return page{}, err
	}
	m, ok := v.(object)
	if !ok {
		return page{}, errNotList
	}
	p := page{total: -1}
	var list, single bool
	for _, f := range m {
		name, v := f.name, f.value
		a, ok := lookup(listMembers, name)
		if !ok {
			if c, ok := lookup(coreAttributes, name); ok && c.name == "id" {
				single = true
			}
			continue
		}
		switch a.name {
		case "totalResults":
			list = true
			if n, err := strconv.Atoi(strings.TrimSpace(scalar(v))); err == nil && n >= 0 {
				p.total = n
			}
		case "nextCursor":
			p.next = scalar(v)
		case "Resources":
			list = true
			if p.resources, err = resources(v, k); err != nil {
				return page{}, err
			}
		case "schemas":
			list = list || mentions(v, listURN)
		}
	}
	if !list || single {
		return page{}, errNotList
	}
	return p, nil
}

func resources(v any, k engine.Kind) ([]resource, error) {
	if v == nil {
		return nil, nil
	}
	l, ok := v.([]any)
	if !ok {
		l = []any{v}
	}
	out := make([]resource, 0, len(l))
	for i, e := range l {
		m, ok := e.(object)
		if !ok {
			return nil, fmt.Errorf("entry %d of the list is not a resource", i+1)
		}
		out = append(out, canonical(m, k))
	}
	return out, nil
}

// mentions reports whether a schemas value, list or single text, holds urn.
func mentions(v any, urn string) bool {
	switch v := v.(type) {
	case string:
		return strings.EqualFold(v, urn)
	case []any:
		for _, e := range v {
			if mentions(e, urn) {
				return true
			}
		}
	}
	return false
}
