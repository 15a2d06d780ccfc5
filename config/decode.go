package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder fills Go values from the tree, strictly, and reports everything that does not fit.
//
// A struct names its keys with yaml tags: `yaml:"key,options"`. The options are required (the key
// must be there) and path (a file, relative to the folder of the configuration file); a tag
// `enum:"a|b"` lists the words that a text may be. Fields with the tag "-" and functions are no keys.
type decoder struct {
	*report
	dir string
	// ignore is a key that any struct at the top may have: the type of a block.
	ignore string
}

// defaulter is a type whose values start with something else than zeros.
type defaulter interface{ setDefaults() }

var (
	durationType        = reflect.TypeFor[time.Duration]()
	blockType           = reflect.TypeFor[Block]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// field is a key of a struct.
type field struct {
	name     string
	index    int
	required bool
	path     bool
	enum     []string
}

// fields lists the keys that a struct takes.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("yaml")
		name, options, _ := strings.Cut(tag, ",")
		if !tagged || name == "-" || name == "" || !f.IsExported() || f.Type.Kind() == reflect.Func {
			continue
		}
		out = append(out, field{
			name: name, index: i,
			required: slices.Contains(strings.Split(options, ","), "required"),
			path:     slices.Contains(strings.Split(options, ","), "path"),
			enum:     words(f.Tag.Get("enum")),
		})
	}
	return out
}

func words(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, "|")
}

// isSecret reports whether values of t must not be shown: its name is Secret, in whichever package.
func isSecret(t reflect.Type) bool { return t.Name() == "Secret" }

// value decodes n into v. f is the field that v is.
func (d *decoder) value(n *node, v reflect.Value, path string, f field) {
	if n.broken {
		d.standIn(v)
		return
	}
	if n.kind == nothing {
		d.fail(path, "write one, or remove the key", "it has no value")
		return
	}
	if v.CanAddr() {
		if def, ok := v.Addr().Interface().(defaulter); ok {
			def.setDefaults()
		}
	}
	t := v.Type()
	switch {
	case t == blockType:
		d.block(n, v, path)
	case reflect.PointerTo(t).Implements(textUnmarshalerType):
		d.textUnmarshaler(n, v, path)
	case t == durationType:
		d.duration(n, v, path)
	default:
		d.plain(n, v, path, f)
	}
}

// standIn sets a secret whose reference leads nowhere, so that nobody says of it that it is missing as well.
func (d *decoder) standIn(v reflect.Value) {
	if !isSecret(v.Type()) || !v.CanAddr() {
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		_ = u.UnmarshalText([]byte("unknown")) // the problem is reported already
	}
}

func (d *decoder) plain(n *node, v reflect.Value, path string, f field) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path, f)
	case reflect.Struct:
		if short, ok := v.Addr().Interface().(shorthand); ok && n.kind != object {
			d.word(n, short, path)
			return
		}
		d.object(n, v, path)
	case reflect.Map:
		d.dictionary(n, v, path)
	case reflect.Slice:
		d.list(n, v, path, f)
	case reflect.String:
		d.text(n, v, path, f)
	case reflect.Bool:
		d.boolean(n, v, path)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.integer(n, v, path)
	case reflect.Float32, reflect.Float64:
		d.float(n, v, path)
	case reflect.Interface:
		if x := n.any(); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	default:
		panic("config: a field of type " + v.Type().String() + " cannot be configured")
	}
}

// wrong reports a value of another kind than wanted.
func (d *decoder) wrong(n *node, path, wanted, remedy string) {
	d.fail(path, remedy, "it must be %s, not %s", wanted, n.kind)
}

// word decodes the short form of a struct.
func (d *decoder) word(n *node, into shorthand, path string) {
	if n.kind != text {
		d.wrong(n, path, "one word or a block of keys", "write the word, or its keys below it, indented")
		return
	}
	v := reflect.ValueOf(into).Elem()
	f := fields(v.Type())[0]
	d.text(n, v.Field(f.index), path, f)
}

func (d *decoder) object(n *node, v reflect.Value, path string) {
	if n.kind != object {
		d.wrong(n, path, string(object), "write its keys below it, indented")
		return
	}
	fs := fields(v.Type())
	names := make([]string, len(fs))
	given := make([]bool, len(fs))
	for i, f := range fs {
		names[i] = f.name
	}
	top := d.ignore
	d.ignore = ""
	for _, e := range n.entries {
		i := slices.Index(names, e.key)
		switch {
		case i >= 0:
			given[i] = true
			d.value(e.value, v.Field(fs[i].index), join(path, e.key), fs[i])
		case e.key == top:
		case below(v.Type(), fs, e.key) != "":
			d.failAt(e.at, join(path, e.key), "it belongs below "+below(v.Type(), fs, e.key), "unknown key")
		default:
			if meant := slices.Index(names, nearest(e.key, names)); meant >= 0 {
				given[meant] = true // so that it is not reported as missing
			}
			d.failAt(e.at, join(path, e.key), remedyFor(e.key, names), "unknown key")
		}
	}
	for i, f := range fs {
		if f.required && !given[i] {
			remedy := "add the key"
			if f.enum != nil {
				remedy = remedyFor("", f.enum)
			}
			d.fail(join(path, f.name), remedy, "it is missing")
		}
	}
}

// below returns the key of a struct within t that has the key, or "".
func below(t reflect.Type, fs []field, key string) string {
	for _, f := range fs {
		inner := t.Field(f.index).Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || inner == blockType {
			continue
		}
		if slices.ContainsFunc(fields(inner), func(g field) bool { return g.name == key }) {
			return f.name
		}
	}
	return ""
}

func (d *decoder) dictionary(n *node, v reflect.Value, path string) {
	if n.kind != object {
		d.wrong(n, path, string(object), "write its keys below it, indented")
		return
	}
	m := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		x := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, x, join(path, e.key), field{})
		m.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), x)
	}
	v.Set(m)
}

func (d *decoder) list(n *node, v reflect.Value, path string, f field) {
	if n.kind != list {
		d.wrong(n, path, string(list), "write [ ] around it, or - before each element")
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.value(item, s.Index(i), index(path, i), f)
	}
	v.Set(s)
}

func (d *decoder) text(n *node, v reflect.Value, path string, f field) {
	if n.kind != text {
		d.notText(n, path)
		return
	}
	if f.enum != nil && !slices.Contains(f.enum, n.text) {
		d.fail(path, remedyFor(n.text, f.enum), "unknown value%s", shown(n))
		return
	}
	s := n.text
	if f.path && s != "" && !filepath.IsAbs(s) {
		s = filepath.Join(d.dir, s)
	}
	v.SetString(s)
}

func (d *decoder) notText(n *node, path string) {
	remedy := "write one text"
	if n.kind == number || n.kind == boolean {
		remedy = "put it in quotes"
	}
	d.wrong(n, path, string(text), remedy)
}

func (d *decoder) textUnmarshaler(n *node, v reflect.Value, path string) {
	if n.kind != text {
		d.notText(n, path)
		return
	}
	err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.text))
	switch {
	case err != nil && (n.outside || isSecret(v.Type())):
		d.fail(path, "correct it", "it is malformed") // the error may quote it
	case err != nil:
		d.fail(path, "correct it", "it is malformed: %v", err)
	case !isSecret(v.Type()):
	case !n.outside && n.text != "":
		d.warn(path, "use ${env:NAME} or ${file:PATH}", "a secret is written into the file, where everybody who reads the file can see it")
	}
}

func (d *decoder) duration(n *node, v reflect.Value, path string) {
	const remedy = "write a number and a unit, for example 90s, 40m, 2h or 30d"
	if n.kind != text {
		d.wrong(n, path, "a duration", remedy)
		return
	}
	x, err := parseDuration(n.text)
	switch {
	case errors.Is(err, errTooLong):
		d.fail(path, fmt.Sprintf("write at most %dd", maxDays), "it is too long")
	case err != nil:
		d.fail(path, remedy, "%sno duration", is(n))
	case x < 0:
		d.fail(path, remedy, "a duration cannot be negative")
	default:
		v.SetInt(int64(x))
	}
}

// maxDays bounds a duration: 179 years, which is less than a [time.Duration] can hold.
const maxDays = math.MaxUint16

// errTooLong says that a duration has more than maxDays.
var errTooLong = errors.New("too long")

// parseDuration is [time.ParseDuration] with days of 24 hours, which come first: 30d, 1d12h.
func parseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if errors.Is(err, strconv.ErrRange) {
		err = errTooLong
	}
	if err != nil {
		return 0, err
	}
	x := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return x, nil
	}
	more, err := time.ParseDuration(rest)
	if err == nil && (more < 0 || more >= 24*time.Hour) {
		err = strconv.ErrRange
	}
	return x + more, err
}

func (d *decoder) boolean(n *node, v reflect.Value, path string) {
	x, err := strconv.ParseBool(n.text)
	if n.kind == boolean || n.kind == text && n.outside && err == nil {
		v.SetBool(x)
		return
	}
	remedy := "write true or false"
	switch strings.ToLower(n.text) {
	case "yes", "on", "y", "true":
		remedy = "write true, without quotes"
	case "no", "off", "n", "false":
		remedy = "write false, without quotes"
	}
	d.wrong(n, path, string(boolean), remedy)
}

func (d *decoder) integer(n *node, v reflect.Value, path string) {
	x := n.number
	if n.kind == text && n.outside {
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			x = i
		}
	}
	if u, ok := x.(uint64); ok && u <= math.MaxInt64 {
		x = int64(u)
	}
	i, ok := x.(int64)
	unsigned := v.CanUint()
	switch {
	case x == nil:
		d.notNumber(n, path, "a whole number")
	case !ok:
		if _, big := x.(uint64); big {
			d.fail(path, "write a smaller one", "the number is too big")
			return
		}
		d.fail(path, "write it without point and exponent", "it must be a whole number")
	case unsigned && i < 0:
		d.fail(path, "write 0 or more", "it must not be negative")
	case unsigned && v.OverflowUint(uint64(i)), !unsigned && v.OverflowInt(i):
		d.fail(path, "write a smaller one", "the number is too big")
	case unsigned:
		v.SetUint(uint64(i))
	default:
		v.SetInt(i)
	}
}

func (d *decoder) float(n *node, v reflect.Value, path string) {
	var x float64
	switch i := n.number.(type) {
	case int64:
		x = float64(i)
	case uint64:
		x = float64(i)
	case float64:
		x = i
	default:
		f, err := strconv.ParseFloat(n.text, 64) // the parser takes 1e3 for text
		if n.kind != text || n.quoted && !n.outside || err != nil {
			d.notNumber(n, path, string(number))
			return
		}
		x = f
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		d.fail(path, "write it in digits", "it must be a finite number")
		return
	}
	v.SetFloat(x)
}

func (d *decoder) notNumber(n *node, path, wanted string) {
	_, err := strconv.ParseFloat(n.text, 64)
	switch {
	case n.kind == text && n.quoted && !n.outside && err == nil:
		d.wrong(n, path, wanted, "remove the quotes")
	case n.kind == text && !n.outside && err == nil:
		d.fail(path, "write it in digits, without exponent", "it must be %s, and not too big", wanted)
	default:
		d.wrong(n, path, wanted, "write digits")
	}
}

// shown is the text for a message, unless it came from outside of the file.
func shown(n *node) string {
	if n.outside {
		return ""
	}
	return " " + strconv.Quote(n.text)
}

func is(n *node) string {
	if n.outside {
		return "it is "
	}
	return strconv.Quote(n.text) + " is "
}

// any is the value as encoding/json would give it, with int64 for whole numbers.
func (n *node) any() any {
	switch n.kind {
	case text:
		return n.text
	case boolean:
		return n.text == "true"
	case number:
		if u, ok := n.number.(uint64); ok && u <= math.MaxInt64 {
			return int64(u)
		}
		return n.number
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.any()
		}
		return out
	case object:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key] = e.value.any()
		}
		return out
	default:
		return nil
	}
}
