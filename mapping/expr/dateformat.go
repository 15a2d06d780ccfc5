package expr

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// layout is a compiled date format of FormatDateTime (10.14).
type layout struct {
	items []layoutItem
}

// layoutItem is one token: a run of n letters of a kind, or a literal text.
type layoutItem struct {
	token byte // one of tokenLetters, or 0 for a literal
	n     int
	text  string // of a literal
	point bool   // the literal is a plain dot, which goes with an empty fraction behind it
	utc   bool   // the literal is a plain Z
}

const tokenLetters = "dMyHhmsfFtzKg"

// styles is what DateTimeStyles changes here: which blanks around the source are ignored.
type styles struct {
	leading, trailing bool
}

// parseStyles reads a comma-separated list of names, in any letter case.
func parseStyles(s string) (st styles, ok bool) {
	for name := range strings.SplitSeq(s, ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		name = strings.TrimPrefix(name, "datetimestyles.")
		switch name {
		case "allowleadingwhite":
			st.leading = true
		case "allowtrailingwhite":
			st.trailing = true
		case "allowwhitespaces":
			st.leading, st.trailing = true, true
		case "none", "allowinnerwhite", "nocurrentdatedefault", "adjusttouniversal", "assumelocal", "assumeuniversal", "roundtripkind":
		default:
			return st, false
		}
	}
	return st, true
}

// parseLayout compiles a format. problem is "" or says what is wrong with it.
func parseLayout(format string) (l *layout, problem string) {
	if format == "" {
		return nil, "it is empty"
	}
	if utf8.RuneCountInString(format) == 1 {
		named := namedFormat(format)
		if named == "" {
			return nil, "a single character must be a named format; write % before it to mean the token"
		}
		format = named
	}
	l = &layout{}
	for format != "" {
		r, size := utf8.DecodeRuneInString(format)
		switch {
		case strings.ContainsRune(tokenLetters, r):
			run := len(format) - len(strings.TrimLeft(format, string(r)))
			if problem := l.token(byte(r), run); problem != "" {
				return nil, problem
			}
			size = run
		case r == '\'' || r == '"':
			end := strings.IndexRune(format[1:], r)
			if end < 0 {
				return nil, "a quote is not closed"
			}
			l.items = append(l.items, layoutItem{text: format[1 : 1+end]})
			size = end + 2
		case r == '\\':
			_, next := utf8.DecodeRuneInString(format[1:])
			if next == 0 {
				return nil, "nothing follows the backslash at its end"
			}
			l.items = append(l.items, layoutItem{text: format[1 : 1+next]})
			size = 1 + next
		case r == '%':
		default:
			l.items = append(l.items, layoutItem{text: format[:size], point: r == '.', utc: r == 'Z'})
		}
		format = format[size:]
	}
	return l, ""
}

func (l *layout) token(letter byte, n int) (problem string) {
	switch {
	case letter == 'g':
		return "eras (g) are not supported"
	case (letter == 'f' || letter == 'F') && n > fractionDigits:
		return "a second has at most seven digits behind the point"
	}
	l.items = append(l.items, layoutItem{token: letter, n: n})
	return ""
}

// namedFormat is what a format of one character stands for, "" if nothing.
func namedFormat(name string) string {
	switch name {
	case "d":
		return "MM/dd/yyyy"
	case "D":
		return "dddd, dd MMMM yyyy"
	case "t":
		return "HH:mm"
	case "T":
		return "HH:mm:ss"
	case "g":
		return "MM/dd/yyyy HH:mm"
	case "G":
		return "MM/dd/yyyy HH:mm:ss"
	case "s":
		return "yyyy-MM-ddTHH:mm:ss"
	case "u":
		return "yyyy-MM-dd HH:mm:ssZ"
	case "o", "O":
		return "yyyy-MM-ddTHH:mm:ss.fffffffK"
	case "r", "R":
		return "ddd, dd MMM yyyy HH:mm:ss 'GMT'"
	default:
		return ""
	}
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// read gives the instant that s means. year is for formats without one.
func (l *layout) read(s string, st styles, year int) (ticks int64, ok bool) {
	trimmed := s
	if st.leading {
		trimmed = strings.TrimLeftFunc(trimmed, unicode.IsSpace)
	}
	if st.trailing {
		trimmed = strings.TrimRightFunc(trimmed, unicode.IsSpace)
	}
	ticks, ok = l.readExactly(trimmed, year)
	if !ok && trimmed != s {
		return l.readExactly(s, year) // the format itself has blanks at its ends
	}
	return ticks, ok
}

func (l *layout) readExactly(s string, year int) (ticks int64, ok bool) {
	t := textScanner{s}
	var f dateFields
	for i, item := range l.items {
		switch {
		case item.token != 0:
			if !f.read(&t, item) {
				return 0, false
			}
		case t.literal(item.text):
			if item.utc && !f.set(fieldZone, 0) {
				return 0, false
			}
		case item.point && i+1 < len(l.items) && l.items[i+1].token == 'F':
			// An empty fraction is written without its point.
		default:
			return 0, false
		}
	}
	if !t.done() {
		return 0, false
	}
	return f.ticks(year)
}

// dateFields collects what a text says about an instant.
type dateFields struct {
	known [fieldCount]bool
	value [fieldCount]int
}

type field uint8

const (
	fieldYear field = iota
	fieldMonth
	fieldDay
	fieldHour
	fieldHour12
	fieldMinute
	fieldSecond
	fieldFraction
	fieldHalf // 0 AM, 1 PM
	fieldZone
	fieldCount
)

// set notes a field; a text that says two different things about it is no date.
func (f *dateFields) set(which field, value int) bool {
	if f.known[which] {
		return f.value[which] == value
	}
	f.known[which], f.value[which] = true, value
	return true
}

// read consumes one token.
func (f *dateFields) read(t *textScanner, item layoutItem) bool {
	switch item.token {
	case 'd':
		if item.n > 2 {
			return named(t, item.n > 3, weekdayNames, shortWeekdayNames) >= 0
		}
		return f.number(t, item, fieldDay)
	case 'M':
		if item.n > 2 {
			month := named(t, item.n > 3, monthNames, shortMonthNames)
			return month >= 0 && f.set(fieldMonth, month+1)
		}
		return f.number(t, item, fieldMonth)
	case 'y':
		return f.year(t, item.n)
	case 'H':
		return f.number(t, item, fieldHour)
	case 'h':
		return f.number(t, item, fieldHour12)
	case 'm':
		return f.number(t, item, fieldMinute)
	case 's':
		return f.number(t, item, fieldSecond)
	case 'f':
		ticks, ok := t.fraction(item.n, item.n)
		return ok && f.set(fieldFraction, ticks)
	case 'F':
		ticks, ok := t.fraction(0, item.n)
		return ok && f.set(fieldFraction, ticks)
	case 't':
		names := []string{"AM", "PM"}
		if item.n == 1 {
			names = []string{"A", "P"}
		}
		half, ok := t.name(names, true)
		return ok && f.set(fieldHalf, half)
	case 'z':
		zone, ok := readZone(t, item.n)
		return ok && f.set(fieldZone, zone)
	default: // K
		if t.done() || t.s[0] != 'Z' && t.s[0] != '+' && t.s[0] != '-' {
			return true
		}
		if t.char('Z') {
			return f.set(fieldZone, 0)
		}
		zone, ok := t.offset(true)
		return ok && f.set(fieldZone, zone)
	}
}

// number consumes one or two digits, exactly two if the token is doubled.
func (f *dateFields) number(t *textScanner, item layoutItem, which field) bool {
	n, _, ok := t.digits(min(item.n, 2), 2)
	return ok && f.set(which, n)
}

func (f *dateFields) year(t *textScanner, n int) bool {
	least, most := n, n
	switch n {
	case 1, 2:
		most = 2
	case 3:
		most = 4
	}
	year, _, ok := t.digits(least, most)
	if n <= 2 {
		if year < 50 {
			year += 2000
		} else {
			year += 1900
		}
	}
	return ok && f.set(fieldYear, year)
}

// named consumes a full or a short name in any letter case and gives its index, or -1.
func named(t *textScanner, full bool, long, short func() []string) int {
	names := short
	if full {
		names = long
	}
	if i, ok := t.name(names(), true); ok {
		return i
	}
	return -1
}

// readZone consumes the token z (hour of 1 or 2 digits), zz (2 digits) or zzz (with minutes).
func readZone(t *textScanner, n int) (minutes int, ok bool) {
	if n >= 3 {
		return t.offset(true)
	}
	sign := 1
	if !t.char('+') {
		if !t.char('-') {
			return 0, false
		}
		sign = -1
	}
	hours, _, ok := t.digits(n, 2)
	return sign * hours * 60, ok
}

// ticks puts the fields together. Missing ones are the first of the month, January, midnight, UTC.
func (f *dateFields) ticks(year int) (ticks int64, ok bool) {
	or := func(which field, missing int) int {
		if f.known[which] {
			return f.value[which]
		}
		return missing
	}
	c := clock{
		year: or(fieldYear, year), month: or(fieldMonth, 1), day: or(fieldDay, 1),
		hour: or(fieldHour, 0), minute: or(fieldMinute, 0), second: or(fieldSecond, 0),
		fraction: or(fieldFraction, 0), zone: or(fieldZone, 0),
	}
	if f.known[fieldHour12] {
		hour := f.value[fieldHour12]
		if hour < 1 || hour > 12 {
			return 0, false
		}
		if f.known[fieldHalf] {
			hour = hour%12 + 12*f.value[fieldHalf]
		}
		if f.known[fieldHour] && f.value[fieldHour] != hour {
			return 0, false
		}
		c.hour = hour
	} else if f.known[fieldHalf] {
		// A 24-hour clock with AM or PM: the mark moves an hour of 12 or less and must not contradict.
		switch pm := f.value[fieldHalf] == 1; {
		case pm && c.hour < 12:
			c.hour += 12
		case !pm && c.hour == 12:
			c.hour = 0
		case !pm && c.hour > 12:
			return 0, false
		}
	}
	return c.ticks()
}

// write is the text of an instant.
func (l *layout) write(ticks int64) string {
	c := clockOf(ticks)
	b := make([]byte, 0, 32)
	for i, item := range l.items {
		switch {
		case item.token == 0:
			b = append(b, item.text...)
		case item.token == 'F':
			fraction := strings.TrimRight(c.digitsOfSecond(item.n), "0")
			if fraction == "" && i > 0 && l.items[i-1].point {
				b = b[:len(b)-1]
			}
			b = append(b, fraction...)
		default:
			b = c.append(b, item)
		}
	}
	return string(b)
}

// digitsOfSecond is the first n digits of the fraction.
func (c clock) digitsOfSecond(n int) string {
	return string(appendPadded(nil, c.fraction, fractionDigits))[:n]
}

// append writes one token.
func (c clock) append(b []byte, item layoutItem) []byte {
	width := min(item.n, 2)
	switch item.token {
	case 'd':
		switch item.n {
		case 1, 2:
			return appendPadded(b, c.day, width)
		case 3:
			return append(b, shortWeekdayNames()[c.weekday()]...)
		default:
			return append(b, weekdayNames()[c.weekday()]...)
		}
	case 'M':
		switch item.n {
		case 1, 2:
			return appendPadded(b, c.month, width)
		case 3:
			return append(b, shortMonthNames()[c.month-1]...)
		default:
			return append(b, monthNames()[c.month-1]...)
		}
	case 'y':
		if item.n <= 2 {
			return appendPadded(b, c.year%100, width)
		}
		return appendPadded(b, c.year, item.n)
	case 'H':
		return appendPadded(b, c.hour, width)
	case 'h':
		return appendPadded(b, c.hour12(), width)
	case 'm':
		return appendPadded(b, c.minute, width)
	case 's':
		return appendPadded(b, c.second, width)
	case 'f':
		return append(b, c.digitsOfSecond(item.n)...)
	case 't':
		return append(b, c.half()[:width]...)
	case 'z':
		switch item.n {
		case 1, 2:
			return appendPadded(append(b, '+'), 0, width)
		default:
			return append(b, "+00:00"...)
		}
	default: // K
		return append(b, 'Z')
	}
}
