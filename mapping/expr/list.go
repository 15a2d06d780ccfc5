package expr

import "strings"

// evalCount is 10.9.
func evalCount(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil {
		return Value{}, err
	}
	switch v.kind {
	case KindNull:
		return Int(0), nil
	case KindList:
		return Int(int64(len(v.c.items))), nil
	default:
		return Int(1), nil
	}
}

// evalItem is 10.23.
func evalItem(ev *evaluation, n *node) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	index, err := n.integer(1, args[1], wantIndex)
	if err != nil {
		return Value{}, err
	}
	items := args[0].Items()
	switch {
	case len(items) == 0:
		return Value{}, nil
	case index > int64(len(items)):
		return Value{}, n.failArg(1, CodeIndexOutOfRange, "ask Count first, as in IIF(Count([a]) > 1, Item([a], 2), …)", "is larger than the number of values, %d", len(items))
	default:
		return items[index-1], nil
	}
}

// evalJoin is 10.24.
func evalJoin(ev *evaluation, n *node) (Value, error) {
	separator, err := ev.argText(n, 0)
	if err != nil {
		return Value{}, err
	}
	texts := make([]string, 0, len(n.args)-1)
	add := func(i int, v Value) error {
		s, err := n.textOrEmpty(i, v)
		if err == nil && s != "" {
			texts = append(texts, s)
		}
		return err
	}
	for i := 1; i < len(n.args); i++ {
		v, err := ev.arg(n, i)
		if err != nil {
			return Value{}, err
		}
		if v.kind != KindList {
			err = add(i, v)
		} else {
			for _, item := range v.c.items {
				if err = add(i, item); err != nil {
					break
				}
			}
		}
		if err != nil {
			return Value{}, err
		}
	}
	return ev.join(n, texts, separator)
}

// join builds one text, after a look at its size.
func (ev *evaluation) join(n *node, texts []string, separator string) (Value, error) {
	size := len(separator) * max(len(texts)-1, 0)
	for _, s := range texts {
		size += len(s)
	}
	if err := ev.spend(n, size); err != nil {
		return Value{}, err
	}
	return String(strings.Join(texts, separator)), nil
}

// evalRemoveDuplicates is 10.34.
func evalRemoveDuplicates(ev *evaluation, n *node) (Value, error) {
	v, err := ev.arg(n, 0)
	if err != nil || v.kind != KindList {
		return v, err
	}
	seen := make(map[string]bool, len(v.c.items))
	items := make([]Value, 0, len(v.c.items))
	for _, item := range v.c.items {
		if key := item.key(); !seen[key] {
			seen[key] = true
			items = append(items, item)
		}
	}
	return listOwning(items), nil
}

// evalSplit is 10.38.
func evalSplit(ev *evaluation, n *node) (Value, error) {
	var args [2]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	delimiter := ","
	if n.arg(1) != nil {
		var err error
		if delimiter, err = n.textOrEmpty(1, args[1]); err != nil {
			return Value{}, err
		}
	}
	if args[0].kind == KindNull {
		return Value{}, nil
	}
	text, err := n.text(0, args[0])
	if err != nil {
		return Value{}, err
	}
	if err := ev.spend(n, len(text)); err != nil {
		return Value{}, err
	}
	parts := []string{text}
	if delimiter != "" { // strings.Split would cut between all characters
		parts = strings.Split(text, delimiter)
	}
	items := make([]Value, 0, len(parts))
	for _, part := range parts {
		if part = strings.TrimSpace(part); part != "" {
			items = append(items, String(part))
		}
	}
	return listOwning(items), nil
}
