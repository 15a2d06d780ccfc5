package expr

// evalNow is 10.29.
func evalNow(ev *evaluation, _ *node) (Value, error) { return Time(ev.env.Now), nil }

// evalCDate is 10.5.
func evalCDate(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	ticks, null, err := n.date(0, v)
	if err != nil || null {
		return Value{}, err
	}
	return dateTime(ticks), nil
}

// date is the to-date conversion of argument i.
func (n *node) date(i int, v Value) (ticks int64, null bool, err error) {
	one, ok := v.scalar()
	if !ok {
		return 0, false, n.failArg(i, CodeTypeMismatch, textHint(v), "must be a date, but is %s", v.describe())
	}
	ticks, null, code := one.date()
	switch code {
	case "":
		return ticks, null, nil
	case CodeDateParse:
		return 0, false, n.failArg(i, code, "write yyyy-MM-dd, M/d/yyyy or the like, or read it with FormatDateTime", "is text that is not a date")
	default:
		return 0, false, n.failArg(i, code, "convert it with DateFromNum or FormatDateTime", "must be a date, but is %s", n.got(i, v))
	}
}

// evalDateAdd is 10.11.
func evalDateAdd(ev *evaluation, n *node) (Value, error) {
	var args [3]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	interval, err := n.interval(0, args[0])
	if err != nil {
		return Value{}, err
	}
	amount, err := n.amount(1, args[1])
	if err != nil {
		return Value{}, err
	}
	ticks, null, err := n.date(2, args[2])
	if err != nil || null {
		return Value{}, err
	}
	moved, ok := addInterval(ticks, interval, amount)
	if !ok {
		return Value{}, n.fail(CodeInvalidArgument, "add less", "the result is outside the years 1 to 9999")
	}
	return dateTime(moved), nil
}

// addInterval moves an instant; ok is false if it would leave the years 1 to 9999.
func addInterval(ticks int64, interval string, amount int64) (moved int64, ok bool) {
	switch interval {
	case "yyyy":
		return addMonths(ticks, amount, 12)
	case "m":
		return addMonths(ticks, amount, 1)
	}
	unit := ticksOf(interval)
	if amount > maxTicks/unit || amount < -maxTicks/unit {
		return 0, false
	}
	moved = ticks + amount*unit
	return moved, inRange(moved)
}

// addMonths keeps the day of the month, or takes the last day of a shorter month.
func addMonths(ticks, amount, months int64) (moved int64, ok bool) {
	const all = 12 * 9999
	if amount > all || amount < -all {
		return 0, false
	}
	c := clockOf(ticks)
	month := int64(c.year)*12 + int64(c.month-1) + amount*months
	if month < 12 {
		return 0, false
	}
	c.year, c.month = int(month/12), int(month%12)+1
	c.day = min(c.day, daysIn(c.year, c.month))
	return c.ticks()
}

// ticksOf is the length of an interval that has a fixed one.
func ticksOf(interval string) int64 {
	switch interval {
	case "ww":
		return ticksPerWeek
	case "d":
		return ticksPerDay
	case "h":
		return ticksPerHour
	case "n":
		return ticksPerMinute
	default:
		return ticksPerSecond
	}
}

// evalDateDiff is 10.12.
func evalDateDiff(ev *evaluation, n *node) (Value, error) {
	var args [3]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	interval, err := n.interval(0, args[0])
	if err != nil {
		return Value{}, err
	}
	from, fromNull, err := n.date(1, args[1])
	if err != nil {
		return Value{}, err
	}
	to, toNull, err := n.date(2, args[2])
	if err != nil || fromNull || toNull {
		return Value{}, err
	}
	switch interval {
	case "yyyy":
		return Int(int64(clockOf(to).year - clockOf(from).year)), nil
	case "m":
		a, b := clockOf(from), clockOf(to)
		return Int(int64((b.year-a.year)*12 + b.month - a.month)), nil
	case "ww":
		return Int(weekOf(to) - weekOf(from)), nil
	default:
		return Int((to - from) / ticksOf(interval)), nil
	}
}

// weekOf numbers the weeks from Sunday to Saturday. Tick 0 is a Monday, so moving it one day on puts
// the borders of the weeks on multiples of seven days.
func weekOf(ticks int64) int64 { return (ticks + ticksPerDay) / ticksPerWeek }

// evalDateFromNum is 10.13.
func evalDateFromNum(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	fileTime, null, err := n.numberOrNull(0, v)
	switch {
	case err != nil, null, fileTime == 0, fileTime == neverFileTime:
		return Value{}, err
	case fileTime < 0:
		return Value{}, n.failArg(0, CodeInvalidArgument, "map an attribute that holds a Windows file time", "is negative, so no file time")
	case fileTime > maxFileTime:
		return Value{}, n.failArg(0, CodeInvalidArgument, "map an attribute that holds a Windows file time", "is a file time after the year 9999")
	default:
		return dateTime(fileTime + ticksOfFileTime), nil
	}
}

// evalNumFromDate is 10.30.
func evalNumFromDate(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	ticks, null, err := n.date(0, v)
	switch {
	case err != nil, null:
		return Value{}, err
	case ticks < ticksOfFileTime:
		return Value{}, n.failArg(0, CodeInvalidArgument, "map a later date", "is before 1601, where file times begin")
	default:
		return Int(ticks - ticksOfFileTime), nil
	}
}

// evalFormatDateTime is 10.14. The older form with three arguments has no dateTimeStyles.
func evalFormatDateTime(ev *evaluation, n *node) (Value, error) {
	var args [4]Value
	if err := ev.argsInto(n, args[:len(n.args)]); err != nil {
		return Value{}, err
	}
	in, out := len(n.args)-2, len(n.args)-1
	st := styles{leading: true, trailing: true}
	var err error
	if len(n.args) == 4 && n.arg(1) != nil {
		if st, err = n.styles(1, args[1]); err != nil {
			return Value{}, err
		}
	}
	input, err := n.layout(in, args[in])
	if err != nil {
		return Value{}, err
	}
	output, err := n.layout(out, args[out])
	if err != nil {
		return Value{}, err
	}
	year := ev.env.Now.UTC().Year()
	return ev.mapped(n, 0, args[0], func(_ Value, s string) (Value, error) {
		if isBlank(s) {
			return Value{}, nil
		}
		ticks, ok := input.read(s, st, year)
		if !ok {
			return Value{}, n.failArg(0, CodeDateParse, "compare the format with the values of the attribute", "does not fit inputFormat %s", n.got(in, args[in]))
		}
		return ev.build(n, output.write(ticks))
	})
}

// checkFormatDateTime refuses the form in which one of the formats is left out.
func checkFormatDateTime(n *node) error {
	for i := len(n.args) - 2; i < len(n.args); i++ {
		if n.arg(i) == nil {
			return &Error{Code: CodeArity, Offset: n.args[i].pos, Hint: n.fn.usage(), Message: n.name + ": inputFormat and outputFormat are required"}
		}
	}
	return nil
}
