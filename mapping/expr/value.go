package expr

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind says what a [Value] is (section 5).
type Kind uint8

// The kinds of section 5. They carry a prefix because [String] and [Decimal] are constructors.
const (
	KindNull      Kind = iota // absent
	KindString                // text, possibly empty
	KindInteger               // signed 64 bit
	KindDecimal               // 64-bit floating point, never NaN or an infinity
	KindBoolean               //
	KindDateTime              // an instant in UTC, 100 ns resolution, years 1 to 9999
	KindReference             // identifier of another object
	KindBinary                // bytes
	KindComplex               // object with named members
	KindList                  // one or more values, none of them Null or a List
)

// String is the name of the kind as section 5 spells it.
func (k Kind) String() string {
	names := [...]string{"Null", "String", "Integer", "Decimal", "Boolean", "DateTime", "Reference", "Binary", "Complex", "List"}
	if int(k) < len(names) {
		return names[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// A Value is what an attribute holds or an expression yields. The zero Value is Null. Values are
// immutable; they are compared with [Value.Equal], not with ==.
type Value struct {
	kind  Kind
	flags flags
	n     int64  // Integer; Boolean as 0 or 1; Decimal as its bits; DateTime as 100 ns ticks since year 1
	s     string // String, Reference, and the bytes of Binary
	c     *compound
}

type flags uint8

const (
	dropped flags = 1 << iota // the marker of IgnoreFlowIfNullOrEmpty
	secret                    // passed through Redact
)

// compound keeps the two big kinds out of the struct that every evaluation copies around.
type compound struct {
	items   []Value
	members map[string]any // plain JSON shapes only, see plain
}

// NullValue is the absent value, the same as Value{}.
func NullValue() Value { return Value{} }

// String is a text value.
func String(s string) Value { return Value{kind: KindString, s: s} }

// Int is a whole number.
func Int(i int64) Value { return Value{kind: KindInteger, n: i} }

// Decimal is a floating-point number. NaN and the infinities, which JSON cannot carry, are Null.
func Decimal(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{kind: KindDecimal, n: int64(math.Float64bits(f))}
}

// Bool is a truth value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBoolean, n: 1}
	}
	return Value{kind: KindBoolean}
}

// Time is an instant, cut to 100 ns. An instant outside the years 1 to 9999 (UTC) is Null.
func Time(t time.Time) Value {
	sec := t.Unix() - unixOfYearOne
	if sec < 0 || sec > maxTicks/ticksPerSecond {
		return Value{}
	}
	return dateTime(sec*ticksPerSecond + int64(t.Nanosecond())/100)
}

func dateTime(ticks int64) Value { return Value{kind: KindDateTime, n: ticks} }

// Ref is the identifier of another object in the source directory.
func Ref(id string) Value { return Value{kind: KindReference, s: id} }

// Bytes is a binary value. It copies b.
func Bytes(b []byte) Value { return Value{kind: KindBinary, s: string(b)} }

// ListOf is the list of vs. Nulls are left out and lists are taken apart; if nothing is left the
// result is Null, because a list is never empty.
func ListOf(vs ...Value) Value {
	items := make([]Value, 0, len(vs))
	for _, v := range vs {
		switch v.kind {
		case KindNull:
		case KindList:
			items = append(items, v.c.items...)
		default:
			items = append(items, v)
		}
	}
	return listOwning(items)
}

// listOwning is the list of items, which hold no Null and no List and now belong to the Value.
func listOwning(items []Value) Value {
	if len(items) == 0 {
		return Value{}
	}
	return Value{kind: KindList, c: &compound{items: items}}
}

// ComplexOf is an object with named members. It copies members deeply and accepts in them what
// [FromJSON] accepts. A nil map is Null.
func ComplexOf(members map[string]any) Value {
	if members == nil {
		return Value{}
	}
	return Value{kind: KindComplex, c: &compound{members: plainMembers(members)}}
}

// FromJSON is the value of a source attribute as decoded from JSON (section 5.1): nil, string,
// bool, json.Number, float64, []any and map[string]any, and for callers that build attributes
// themselves also the Go integers, float32, []string, []map[string]any, []byte, time.Time and
// Value. Null elements of an array are dropped and an array without elements is Null. A whole
// float64 within 2^53 is an Integer, because encoding/json makes 42 a float64.
//
// FromJSON panics on any other Go type: guessing would turn a programming mistake into a wrong
// attribute in the target.
func FromJSON(v any) Value {
	switch v := v.(type) {
	case nil:
		return Value{}
	case string:
		return String(v)
	case bool:
		return Bool(v)
	case json.Number:
		return fromNumber(v.String())
	case float64:
		return fromFloat(v)
	case float32:
		return fromFloat(float64(v))
	case int:
		return Int(int64(v))
	case int8:
		return Int(int64(v))
	case int16:
		return Int(int64(v))
	case int32:
		return Int(int64(v))
	case int64:
		return Int(v)
	case uint8:
		return Int(int64(v))
	case uint16:
		return Int(int64(v))
	case uint32:
		return Int(int64(v))
	case uint:
		return fromNumber(strconv.FormatUint(uint64(v), 10))
	case uint64:
		return fromNumber(strconv.FormatUint(v, 10))
	case []any:
		return listFrom(v)
	case []string:
		return listFrom(v)
	case []map[string]any:
		return listFrom(v)
	case map[string]any:
		return ComplexOf(v)
	case []byte:
		if v == nil {
			return Value{}
		}
		return Bytes(v)
	case time.Time:
		return Time(v)
	case Value:
		return v
	default:
		panic(fmt.Sprintf("expr.FromJSON: %T is not a JSON value", v))
	}
}

func listFrom[T any](elems []T) Value {
	if len(elems) == 0 {
		return Value{}
	}
	items := make([]Value, 0, len(elems))
	for _, e := range elems {
		switch v := FromJSON(e); v.kind {
		case KindNull:
		case KindList:
			items = append(items, v.c.items...)
		default:
			items = append(items, v)
		}
	}
	return listOwning(items)
}

// fromNumber reads a JSON number: an Integer if it has neither fraction nor exponent and fits.
func fromNumber(s string) Value {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Int(i)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Value{}
	}
	return Decimal(f)
}

func fromFloat(f float64) Value {
	const exact = 1 << 53
	if f == math.Trunc(f) && math.Abs(f) <= exact {
		return Int(int64(f))
	}
	return Decimal(f)
}

// JSON is the value in plain Go JSON shapes: nil, string, bool, int64, float64, []any and
// map[string]any. A DateTime is RFC 3339 text ending in Z, a Binary base64 text, a Reference its
// identifier. The result belongs to the caller.
func (v Value) JSON() any {
	switch v.kind {
	case KindString, KindReference:
		return v.s
	case KindInteger:
		return v.n
	case KindDecimal:
		return v.float()
	case KindBoolean:
		return v.n != 0
	case KindDateTime:
		return string(appendRFC3339(nil, v.n))
	case KindBinary:
		return base64.StdEncoding.EncodeToString([]byte(v.s))
	case KindComplex:
		return plainMembers(v.c.members)
	case KindList:
		out := make([]any, len(v.c.items))
		for i, item := range v.c.items {
			out[i] = item.JSON()
		}
		return out
	default:
		return nil
	}
}

// plainMembers copies members deeply into the shapes that JSON gives back. Unlike FromJSON it keeps
// nulls and empty arrays: inside an object they are members like others.
func plainMembers(members map[string]any) map[string]any {
	out := make(map[string]any, len(members))
	for name, m := range members {
		out[name] = plain(m)
	}
	return out
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return plainMembers(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	default:
		return FromJSON(v).JSON()
	}
}

// Kind says what v is.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is absent. The empty string is not.
func (v Value) IsNull() bool { return v.kind == KindNull }

// Dropped reports whether v is the marker of IgnoreFlowIfNullOrEmpty: the mapper leaves the
// attribute out, and not even a default value acts. A dropped value is Null.
func (v Value) Dropped() bool { return v.flags&dropped != 0 }

// Secret reports whether the value passed through Redact, so that logs and reports must show
// [Redact] in place of the old and the new value.
func (v Value) Secret() bool { return v.flags&secret != 0 }

// Text is the text form of section 5. Null, Complex and a list of several values have none; the
// error is an [*Error] without a place.
func (v Value) Text() (string, error) {
	one, ok := v.scalar()
	if ok {
		if s, ok := one.text(); ok {
			return s, nil
		}
	}
	return "", &Error{Code: CodeTypeMismatch, Offset: -1, Message: v.describe() + " has no text form"}
}

// Bool is the truth value of a Boolean; ok is false for every other kind.
func (v Value) Bool() (b, ok bool) { return v.n != 0, v.kind == KindBoolean }

// Int is the number of an Integer; ok is false for every other kind.
func (v Value) Int() (i int64, ok bool) {
	if v.kind != KindInteger {
		return 0, false
	}
	return v.n, true
}

// Float is the number of an Integer or a Decimal; ok is false for every other kind.
func (v Value) Float() (f float64, ok bool) {
	switch v.kind {
	case KindInteger:
		return float64(v.n), true
	case KindDecimal:
		return v.float(), true
	default:
		return 0, false
	}
}

// Time is the instant of a DateTime, in UTC; ok is false for every other kind.
func (v Value) Time() (t time.Time, ok bool) {
	if v.kind != KindDateTime {
		return time.Time{}, false
	}
	return time.Unix(v.n/ticksPerSecond+unixOfYearOne, v.n%ticksPerSecond*100).UTC(), true
}

// Items are the elements of a List, the value itself for any other kind, and nothing for Null. The
// caller must not change the slice.
func (v Value) Items() []Value {
	switch v.kind {
	case KindNull:
		return nil
	case KindList:
		return slices.Clip(v.c.items)
	default:
		return []Value{v}
	}
}

// Equal reports whether v and w are the same value: the same kind and content, exactly and
// case-sensitively, except that an Integer equals a Decimal of the same size. Lists are equal
// element by element in order. The marks of Dropped and Secret do not count.
func (v Value) Equal(w Value) bool {
	switch {
	case v.isNumber() && w.isNumber():
		a, _ := v.number()
		b, _ := w.number()
		return a.compare(b) == 0
	case v.kind != w.kind:
		return false
	case v.kind == KindList:
		return slices.EqualFunc(v.c.items, w.c.items, Value.Equal)
	case v.kind == KindComplex:
		return equalMembers(v.c.members, w.c.members)
	default:
		return v.n == w.n && v.s == w.s
	}
}

func equalMembers(a, b map[string]any) bool { return maps.EqualFunc(a, b, equalPlain) }

func equalPlain(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMembers(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalPlain)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return FromJSON(a).Equal(FromJSON(b))
}

// String names the kind and not the content, so that a value which slips into a log line or a
// format verb gives nothing away. See [Value.Text] for the content.
func (v Value) String() string { return "(" + v.kind.String() + ")" }

// GoString is [Value.String], for the verb %#v.
func (v Value) GoString() string { return v.String() }

// describe names v in messages, without its content.
func (v Value) describe() string {
	switch {
	case v.kind == KindList && len(v.c.items) > 1:
		return "a List of " + strconv.Itoa(len(v.c.items)) + " values"
	case v.kind == KindInteger:
		return "an Integer"
	case v.kind == KindNull:
		return "Null"
	default:
		return "a " + v.kind.String()
	}
}

func (v Value) float() float64 { return math.Float64frombits(uint64(v.n)) }

func (v Value) isNumber() bool { return v.kind == KindInteger || v.kind == KindDecimal }

// scalar gives the single element in place of a List of one (section 5.2); ok is false for a List
// of two or more.
func (v Value) scalar() (one Value, ok bool) {
	if v.kind != KindList {
		return v, true
	}
	if len(v.c.items) == 1 {
		return v.c.items[0], true
	}
	return v, false
}

// text is the text form of a scalar; ok is false for Null, Complex and List.
func (v Value) text() (s string, ok bool) {
	switch v.kind {
	case KindString, KindReference:
		return v.s, true
	case KindInteger:
		return strconv.FormatInt(v.n, 10), true
	case KindDecimal:
		// Adding zero turns the negative zero into the plain one.
		return strconv.FormatFloat(v.float()+0, 'f', -1, 64), true
	case KindBoolean:
		if v.n != 0 {
			return "True", true
		}
		return "False", true
	case KindDateTime:
		return string(appendDateText(nil, v.n)), true
	case KindBinary:
		return base64.StdEncoding.EncodeToString([]byte(v.s)), true
	default:
		return "", false
	}
}

// isEmpty reports Null, "" and the List of one "" (10.20).
func (v Value) isEmpty() bool {
	one, ok := v.scalar()
	return ok && (one.kind == KindNull || one.kind == KindString && one.s == "")
}

// key is a text that two values share exactly if they are Equal.
func (v Value) key() string {
	var b strings.Builder
	v.writeKey(&b)
	return b.String()
}

func (v Value) writeKey(b *strings.Builder) {
	switch v.kind {
	case KindComplex:
		writePlainKey(b, v.c.members)
	case KindList:
		for _, item := range v.c.items {
			item.writeKey(b)
		}
	case KindInteger, KindDecimal:
		// A Decimal that equals an Integer shares its key.
		n, _ := v.number()
		if i, code := n.integer(); code == "" {
			v = Int(i)
		}
		s, _ := v.text()
		b.WriteString("n" + s + "\x00")
	default:
		b.WriteString(strconv.Itoa(int(v.kind)) + ":" + strconv.FormatInt(v.n, 10) + ":" + strconv.Quote(v.s))
	}
}

func writePlainKey(b *strings.Builder, v any) {
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(strconv.Quote(name))
			writePlainKey(b, v[name])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, e := range v {
			writePlainKey(b, e)
		}
		b.WriteByte(']')
	default:
		FromJSON(v).writeKey(b)
	}
}
