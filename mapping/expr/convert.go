package expr

import (
	"math"
	"strconv"
	"strings"
)

// number is an Integer or a Decimal. Both are kept because file times and other 64-bit integers
// do not survive a float64.
type number struct {
	whole bool
	i     int64   // if whole
	f     float64 // if not
}

// number converts a scalar (section 6); ok is false if it is no number. Null is no number.
func (v Value) number() (n number, ok bool) {
	switch v.kind {
	case KindInteger:
		return number{whole: true, i: v.n}, true
	case KindDecimal:
		return number{f: v.float()}, true
	case KindString:
		return parseNumber(v.s)
	default:
		return number{}, false
	}
}

// parseNumber reads digits with an optional sign and fraction, or &H and 1 to 16 hexadecimal
// digits, with white space around.
func parseNumber(s string) (number, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 2 && s[0] == '&' && (s[1] == 'H' || s[1] == 'h') {
		if len(s) > 2+16 {
			return number{}, false
		}
		u, err := strconv.ParseUint(s[2:], 16, 64)
		// ParseUint takes no sign and, with an explicit base, no underscore.
		return number{whole: true, i: int64(u)}, err == nil
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 {
		return number{}, false
	}
	before, after, fraction := strings.Cut(digits, ".")
	if !allDigits(before) || fraction && !allDigits(after) {
		return number{}, false
	}
	if !fraction {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return number{whole: true, i: i}, true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{f: f}, err == nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// integer converts to a whole number. A fraction is CodeTypeMismatch, a size beyond 64 bits
// CodeInvalidArgument; "" means success.
func (n number) integer() (int64, Code) {
	if n.whole {
		return n.i, ""
	}
	if n.f != math.Trunc(n.f) {
		return 0, CodeTypeMismatch
	}
	return n.truncate()
}

// truncate cuts the fraction off towards zero.
func (n number) truncate() (int64, Code) {
	if n.whole {
		return n.i, ""
	}
	f := math.Trunc(n.f)
	if f < -1<<63 || f >= 1<<63 {
		return 0, CodeInvalidArgument
	}
	return int64(f), ""
}

func (n number) zero() bool { return n.i == 0 && n.f == 0 }

// compare is negative, zero or positive as n is smaller than, equal to or greater than m, without
// rounding integers to float64.
func (n number) compare(m number) int {
	switch {
	case n.whole && m.whole:
		return compareOrdered(n.i, m.i)
	case n.whole:
		return compareIntFloat(n.i, m.f)
	case m.whole:
		return -compareIntFloat(m.i, n.f)
	default:
		return compareOrdered(n.f, m.f)
	}
}

func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= 1<<63:
		return -1
	case f < -1<<63:
		return 1
	}
	whole := math.Trunc(f)
	if c := compareOrdered(i, int64(whole)); c != 0 {
		return c
	}
	return compareOrdered(whole, f)
}

func compareOrdered[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// truth is the to-boolean conversion of a scalar (section 6); ok is false if there is none.
func (v Value) truth() (b, ok bool) {
	switch v.kind {
	case KindNull:
		return false, true
	case KindBoolean:
		return v.n != 0, true
	case KindString:
		if v.s == "" {
			return false, true
		}
		if b, ok := parseBool(v.s); ok {
			return b, true
		}
	}
	n, ok := v.number()
	return !n.zero(), ok
}

// parseBool reads true or false in any letter case.
func parseBool(s string) (b, ok bool) {
	switch {
	case len(s) == 4 && strings.EqualFold(s, "true"):
		return true, true
	case len(s) == 5 && strings.EqualFold(s, "false"):
		return false, true
	default:
		return false, false
	}
}

// date is the to-date conversion of a scalar (section 6) in ticks. Null and blank text give
// null; the code is "" or says why there is no date.
func (v Value) date() (ticks int64, null bool, code Code) {
	switch v.kind {
	case KindNull:
		return 0, true, ""
	case KindDateTime:
		return v.n, false, ""
	case KindString:
		s := strings.TrimSpace(v.s)
		if s == "" {
			return 0, true, ""
		}
		ticks, ok := parseDate(s)
		if !ok {
			return 0, false, CodeDateParse
		}
		return ticks, false, ""
	default:
		return 0, false, CodeTypeMismatch
	}
}

// The conversions below are the ones of section 6 for callers outside: writing a value as the type
// of a target attribute follows the same grammar as the functions do.

// AsNumber converts to an Integer or a Decimal; ok is false if v is no number.
func (v Value) AsNumber() (Value, bool) {
	one, _ := v.scalar()
	n, ok := one.number()
	switch {
	case !ok:
		return Value{}, false
	case n.whole:
		return Int(n.i), true
	default:
		return Decimal(n.f), true
	}
}

// AsBool converts as CBool does: Null and "" are false; ok is false if v is no truth value.
func (v Value) AsBool() (b, ok bool) {
	one, _ := v.scalar()
	return one.truth()
}

// AsDate converts to a DateTime as CDate does. Null and blank text give Null; ok is false if v is
// no date.
func (v Value) AsDate() (Value, bool) {
	one, _ := v.scalar()
	ticks, null, code := one.date()
	switch {
	case code != "":
		return Value{}, false
	case null:
		return Value{}, true
	default:
		return dateTime(ticks), true
	}
}
