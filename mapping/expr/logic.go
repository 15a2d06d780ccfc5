package expr

// evalIIF is 10.17. Only the chosen branch is evaluated.
func evalIIF(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	yes, err := n.truth(0, v)
	if err != nil {
		return Value{}, err
	}
	if yes {
		return ev.arg(n, 1)
	}
	return ev.arg(n, 2)
}

// evalSwitch is 10.40. Keys are evaluated until one matches, and then only its value.
func evalSwitch(ev *evaluation, n *node) (Value, error) {
	source, err := ev.argText(n, 0)
	if err != nil {
		return Value{}, err
	}
	for i := 2; i+1 < len(n.args); i += 2 {
		key, err := ev.argText(n, i)
		if err != nil {
			return Value{}, err
		}
		if key == source {
			return ev.arg(n, i+1)
		}
	}
	return ev.arg(n, 1)
}

// argText evaluates an argument and gives its text; Null counts as "".
func (ev *evaluation) argText(n *node, i int) (string, error) {
	v, err := ev.arg(n, i)
	if err != nil {
		return "", err
	}
	return n.textOrEmpty(i, v)
}

// evalCoalesce is 10.6.
func evalCoalesce(ev *evaluation, n *node) (Value, error) {
	for i := range n.args {
		v, err := ev.arg(n, i)
		if err != nil || v.kind != KindNull {
			return v, err
		}
	}
	return Value{}, nil
}

// evalSelectUniqueValue is 10.35.
func evalSelectUniqueValue(ev *evaluation, n *node) (Value, error) {
	for i := range n.args {
		v, err := ev.arg(n, i)
		if err != nil {
			return Value{}, err
		}
		if v.isEmpty() {
			continue
		}
		candidate, err := n.text(i, v)
		if err != nil {
			return Value{}, err
		}
		if candidate == "" {
			continue
		}
		free, err := ev.free(n, candidate)
		if err != nil {
			return Value{}, err
		}
		if free {
			one, _ := v.scalar()
			return one, nil
		}
	}
	return Value{}, n.fail(CodeUniqueValueExhausted, "add another rule that yields a different value", "every value is taken or empty")
}

func (ev *evaluation) free(n *node, candidate string) (bool, error) {
	if ev.env.Unique == nil {
		return true, nil
	}
	free, err := ev.env.Unique(candidate)
	if err != nil {
		failure := n.fail(CodeUnavailable, "the object is tried again later", "the target did not tell whether a value is free")
		failure.cause = err
		return false, failure
	}
	return free, nil
}

// evalNot is 10.28.
func evalNot(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	one, ok := v.scalar()
	if !ok {
		return Value{}, n.failArg(0, CodeTypeMismatch, textHint(v), "must be one value, but is %s", v.describe())
	}
	switch one.kind {
	case KindBoolean:
		return Bool(one.n == 0), nil
	case KindString:
		b, ok := parseBool(one.s)
		return Bool(!ok || !b), nil
	default:
		return Bool(true), nil
	}
}

// evalCBool is 10.4.
func evalCBool(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	b, err := n.truth(0, v)
	if err != nil {
		return Value{}, err
	}
	return Bool(b), nil
}

// evalBitAnd is 10.3.
func evalBitAnd(ev *evaluation, n *node) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	a, aNull, err := n.numberOrNull(0, args[0])
	if err != nil {
		return Value{}, err
	}
	b, bNull, err := n.numberOrNull(1, args[1])
	if err != nil || aNull || bNull {
		return Value{}, err
	}
	return Int(a & b), nil
}

// evalIsNull is 10.19 and IsNothing.
func evalIsNull(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return Bool(v.kind == KindNull), nil
}

// evalIsNullOrEmpty is 10.20.
func evalIsNullOrEmpty(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return Bool(v.isEmpty()), nil
}

// evalIsPresent is 10.21.
func evalIsPresent(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	return Bool(!v.isEmpty()), nil
}

// evalIgnoreFlow is 10.16. It yields Null for the marker; Eval marks it if this is the outermost
// function, because anywhere else the marker counts as Null.
func evalIgnoreFlow(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil || v.isEmpty() {
		return Value{}, err
	}
	return v, nil
}

// evalRedact is 10.33.
func evalRedact(ev *evaluation, n *node) (Value, error) {
	ev.secret = true
	return ev.arg(n, 0)
}

// evalError raises its message (11.1).
func evalError(ev *evaluation, n *node) (Value, error) {
	message, err := ev.argText(n, 0)
	if err != nil {
		return Value{}, err
	}
	arg := n.arg(0)
	return Value{}, &Error{Code: CodeCustom, Offset: n.pos, Message: message, private: arg == nil || arg.op != opLiteral}
}

// evalDefaultDomain is in 11.1.
func evalDefaultDomain(ev *evaluation, n *node) (Value, error) {
	if ev.env.DefaultDomain == "" {
		return Value{}, n.fail(CodeInvalidArgument, "set the default domain of the source", "no default domain is configured")
	}
	return String(ev.env.DefaultDomain), nil
}
