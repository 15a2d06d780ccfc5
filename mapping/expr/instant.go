package expr

import (
	"strconv"
	"strings"
	"time"
)

// An instant is a count of ticks of 100 ns since 0001-01-01T00:00:00Z, the resolution and the range
// of the vendor's platform. In 64 bits the years 1 to 9999 fit.
const (
	ticksPerSecond = 10_000_000
	ticksPerMinute = 60 * ticksPerSecond
	ticksPerHour   = 60 * ticksPerMinute
	ticksPerDay    = 24 * ticksPerHour
	ticksPerWeek   = 7 * ticksPerDay

	maxTicks = 3652059*ticksPerDay - 1 // the last tick of the year 9999

	unixOfYearOne   = -62135596800               // Unix seconds of tick 0
	ticksOfFileTime = 504911232000000000         // 1601-01-01, where Windows file times begin
	maxFileTime     = maxTicks - ticksOfFileTime // end of 9999 as file time
	neverFileTime   = int64(9223372036854775807) // how Active Directory writes "never"
	maxZone         = 14 * 60                    // minutes; no zone is farther from UTC
	fractionDigits  = 7                          // of a second
)

// clock is a date and a time of day before they become an instant.
type clock struct {
	year, month, day     int
	hour, minute, second int
	fraction             int // ticks
	zone                 int // minutes east of UTC
}

// ticks is the instant; ok is false if the date does not exist, a part is out of range, or the
// instant falls outside the years 1 to 9999.
func (c clock) ticks() (ticks int64, ok bool) {
	if c.year < 1 || c.year > 9999 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > daysIn(c.year, c.month) {
		return 0, false
	}
	if c.hour > 23 || c.minute > 59 || c.second > 59 || c.zone < -maxZone || c.zone > maxZone {
		return 0, false
	}
	t := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, time.UTC)
	ticks = (t.Unix()-unixOfYearOne)*ticksPerSecond + int64(c.fraction) - int64(c.zone)*ticksPerMinute
	return ticks, inRange(ticks)
}

func inRange(ticks int64) bool { return ticks >= 0 && ticks <= maxTicks }

// clockOf takes an instant apart, in UTC.
func clockOf(ticks int64) clock {
	t := time.Unix(ticks/ticksPerSecond+unixOfYearOne, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return clock{year: year, month: int(month), day: day, hour: hour, minute: minute, second: second,
		fraction: int(ticks % ticksPerSecond)}
}

func (c clock) weekday() time.Weekday {
	return time.Date(c.year, time.Month(c.month), c.day, 0, 0, 0, 0, time.UTC).Weekday()
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// appendDateText writes the text form of a DateTime (section 5): M/d/yyyy h:mm:ss tt.
func appendDateText(b []byte, ticks int64) []byte {
	c := clockOf(ticks)
	b = strconv.AppendInt(b, int64(c.month), 10)
	b = append(b, '/')
	b = strconv.AppendInt(b, int64(c.day), 10)
	b = append(b, '/')
	b = appendPadded(b, c.year, 4)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(c.hour12()), 10)
	b = append(b, ':')
	b = appendPadded(b, c.minute, 2)
	b = append(b, ':')
	b = appendPadded(b, c.second, 2)
	return append(append(b, ' '), c.half()...)
}

// appendRFC3339 writes the instant with as many digits of the second as it needs.
func appendRFC3339(b []byte, ticks int64) []byte {
	t, _ := dateTime(ticks).Time()
	return t.AppendFormat(b, time.RFC3339Nano)
}

func (c clock) hour12() int {
	if h := c.hour % 12; h != 0 {
		return h
	}
	return 12
}

func (c clock) half() string {
	if c.hour < 12 {
		return "AM"
	}
	return "PM"
}

func appendPadded(b []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	for range width - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}

// textScanner reads a date text from left to right. Its methods consume what they recognise and
// nothing else.
type textScanner struct {
	s string
}

func (t *textScanner) done() bool { return t.s == "" }

// char consumes c.
func (t *textScanner) char(c byte) bool {
	if t.s == "" || t.s[0] != c {
		return false
	}
	t.s = t.s[1:]
	return true
}

// literal consumes text.
func (t *textScanner) literal(text string) bool {
	rest, ok := strings.CutPrefix(t.s, text)
	if ok {
		t.s = rest
	}
	return ok
}

// blanks consumes spaces and tabs and reports whether there were any.
func (t *textScanner) blanks() bool {
	rest := strings.TrimLeft(t.s, " \t")
	some := len(rest) < len(t.s)
	t.s = rest
	return some
}

// digits consumes at most most decimal digits and gives their number and count; ok is false, and
// nothing is consumed, if there are fewer than least. Numbers beyond an int's use stay at a size
// that no field of a date allows.
func (t *textScanner) digits(least, most int) (n, count int, ok bool) {
	for count < most && count < len(t.s) && t.s[count] >= '0' && t.s[count] <= '9' {
		n = min(n*10+int(t.s[count]-'0'), 1<<30)
		count++
	}
	if count < least {
		return 0, 0, false
	}
	t.s = t.s[count:]
	return n, count, true
}

// fraction consumes between least and most digits of a second and gives them as ticks.
func (t *textScanner) fraction(least, most int) (ticks int, ok bool) {
	n, count, ok := t.digits(least, most)
	for ; count < fractionDigits; count++ {
		n *= 10
	}
	return n, ok
}

// name consumes one of names, in the given letter case or, if fold, in any, and gives its index.
func (t *textScanner) name(names []string, fold bool) (int, bool) {
	for i, name := range names {
		if len(t.s) < len(name) {
			continue
		}
		if head := t.s[:len(name)]; head == name || fold && strings.EqualFold(head, name) {
			t.s = t.s[len(name):]
			return i, true
		}
	}
	return 0, false
}

// offset consumes a zone such as +08:00, +0800 or, if the minutes may be missing, +08.
func (t *textScanner) offset(minutesRequired bool) (minutes int, ok bool) {
	sign := 1
	switch {
	case t.char('+'):
	case t.char('-'):
		sign = -1
	default:
		return 0, false
	}
	h, _, ok := t.digits(2, 2)
	if !ok {
		return 0, false
	}
	colon := t.char(':')
	m, _, ok := t.digits(2, 2)
	if !ok && (colon || minutesRequired) || m > 59 {
		return 0, false
	}
	return sign * (h*60 + m), true
}

func weekdayNames() []string {
	return []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
}

func shortWeekdayNames() []string { return []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"} }

func monthNames() []string {
	return []string{"January", "February", "March", "April", "May", "June", "July", "August",
		"September", "October", "November", "December"}
}

func shortMonthNames() []string {
	return []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
}

// parseDate reads the grammar of CDate (10.5). s carries no blanks around it.
func parseDate(s string) (ticks int64, ok bool) {
	t := textScanner{s}
	if c, ok := t.rfc1123(); ok {
		return c.ticks()
	}
	t = textScanner{s}
	var c clock
	if !t.date(&c) {
		return 0, false
	}
	timeFollows := t.char('T') || t.char('t')
	if !timeFollows && t.blanks() {
		timeFollows = t.s != "" && t.s[0] >= '0' && t.s[0] <= '9'
	}
	if timeFollows && !t.timeOfDay(&c) {
		return 0, false
	}
	t.blanks()
	if !t.done() && !t.char('Z') && !t.char('z') {
		if c.zone, ok = t.offset(false); !ok {
			return 0, false
		}
	}
	if !t.done() {
		return 0, false
	}
	return c.ticks()
}

// date consumes yyyy-M-d, yyyy/M/d or M/d/yyyy.
func (t *textScanner) date(c *clock) bool {
	n, count, ok := t.digits(1, 4)
	if !ok {
		return false
	}
	switch {
	case count == 4:
		c.year = n
		separator := byte('-')
		if !t.char('-') {
			separator = '/'
			if !t.char('/') {
				return false
			}
		}
		return t.part(&c.month) && t.char(separator) && t.part(&c.day)
	case count <= 2:
		c.month = n
		if !t.char('/') || !t.part(&c.day) || !t.char('/') {
			return false
		}
		c.year, _, ok = t.digits(4, 4)
		return ok
	default:
		return false
	}
}

// part consumes one or two digits.
func (t *textScanner) part(to *int) bool {
	n, _, ok := t.digits(1, 2)
	*to = n
	return ok
}

// timeOfDay consumes H:mm[:ss[.f]] [AM|PM].
func (t *textScanner) timeOfDay(c *clock) bool {
	if !t.part(&c.hour) || !t.char(':') || !t.part(&c.minute) {
		return false
	}
	if t.char(':') {
		if !t.part(&c.second) {
			return false
		}
		if t.char('.') {
			var ok bool
			if c.fraction, ok = t.fraction(1, fractionDigits); !ok {
				return false
			}
		}
	}
	before := t.s
	t.blanks()
	half, ok := t.name([]string{"AM", "am", "PM", "pm"}, false)
	if !ok {
		t.s = before
		return true
	}
	if c.hour < 1 || c.hour > 12 {
		return false
	}
	c.hour = c.hour % 12
	if half >= 2 {
		c.hour += 12
	}
	return true
}

// rfc1123 consumes the whole text as in Thu, 04 Jul 2024 21:05:06 GMT.
func (t *textScanner) rfc1123() (c clock, ok bool) {
	if _, ok := t.name(shortWeekdayNames(), false); !ok || !t.literal(", ") {
		return c, false
	}
	two := func(to *int) bool {
		n, _, ok := t.digits(2, 2)
		*to = n
		return ok
	}
	if !two(&c.day) || !t.char(' ') {
		return c, false
	}
	month, ok := t.name(shortMonthNames(), false)
	if !ok || !t.char(' ') {
		return c, false
	}
	c.month = month + 1
	if c.year, _, ok = t.digits(4, 4); !ok || !t.char(' ') {
		return c, false
	}
	ok = two(&c.hour) && t.char(':') && two(&c.minute) && t.char(':') && two(&c.second) && t.literal(" GMT") && t.done()
	return c, ok
}
