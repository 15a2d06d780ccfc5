package expr

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
)

// maxRandomLength is the longest RandomString (10.32).
const maxRandomLength = 256

// evalGuid is 10.15: a version 4 identifier of RFC 9562.
func evalGuid(ev *evaluation, n *node) (Value, error) {
	var id [16]byte
	if err := ev.random(n, id[:]); err != nil {
		return Value{}, err
	}
	id[6] = id[6]&0x0f | 0x40 // version
	id[8] = id[8]&0x3f | 0x80 // variant
	s := hex.EncodeToString(id[:])
	return String(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]), nil
}

// random fills b from the random source.
func (ev *evaluation) random(n *node, b []byte) error {
	if ev.env.Rand == nil {
		return n.fail(CodeInvalidArgument, "evaluate it with a random source", "there is no random source")
	}
	if _, err := io.ReadFull(ev.env.Rand, b); err != nil {
		failure := n.fail(CodeUnavailable, "the object is tried again later", "the random source failed")
		failure.cause = err
		return failure
	}
	return nil
}

// below draws a number from 0 to limit-1. The bias of the remainder of 64 bits is below 2^-55, and
// unlike drawing again it ends with every source.
func (ev *evaluation) below(n *node, limit int) (int, error) {
	var b [8]byte
	if err := ev.random(n, b[:]); err != nil {
		return 0, err
	}
	return int(binary.LittleEndian.Uint64(b[:]) % uint64(limit)), nil
}

// evalRandomString is 10.32.
func evalRandomString(ev *evaluation, n *node) (Value, error) {
	var args [6]Value
	if err := ev.argsInto(n, args[:]); err != nil {
		return Value{}, err
	}
	plan, err := n.randomPlan(args)
	if err != nil {
		return Value{}, err
	}
	text := make([]byte, 0, plan.length)
	draw := func(from string, count int) error {
		for range count {
			k, err := ev.below(n, len(from))
			if err != nil {
				return err
			}
			text = append(text, from[k])
		}
		return nil
	}
	for i, class := range plan.classes {
		if err := draw(class, plan.least[i]); err != nil {
			return Value{}, err
		}
	}
	if err := draw(plan.rest, plan.length-len(text)); err != nil {
		return Value{}, err
	}
	for i := len(text) - 1; i > 0; i-- {
		k, err := ev.below(n, i+1)
		if err != nil {
			return Value{}, err
		}
		text[i], text[k] = text[k], text[i]
	}
	return String(string(text)), nil
}

// randomPlan is what RandomString draws: least[i] characters of classes[i], and what is missing to
// length from rest.
type randomPlan struct {
	length  int
	classes [4]string
	least   [4]int
	rest    string
}

func (n *node) randomPlan(args [6]Value) (randomPlan, error) {
	plan := randomPlan{classes: [4]string{
		"0123456789",
		"-!\"#$%&()*,./:;?@[]^_`{|}~+<=>",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"abcdefghijklmnopqrstuvwxyz",
	}}
	length, err := n.integer(0, args[0], wantInteger)
	if err != nil {
		return plan, err
	}
	if length < 1 || length > maxRandomLength {
		return plan, n.failArg(0, CodeInvalidArgument, "use a length in this range", "must be from 1 to %d", maxRandomLength)
	}
	plan.length = int(length)
	total := 0
	for i := range plan.least {
		least, err := n.integer(i+1, args[i+1], wantCount)
		if err != nil {
			return plan, err
		}
		// A minimum above the length is refused below; cutting it avoids an overflow of the sum.
		plan.least[i] = int(min(least, maxRandomLength+1))
		total += plan.least[i]
	}
	avoid, err := n.textOrEmpty(5, args[5])
	if err != nil {
		return plan, err
	}
	if total > plan.length {
		return plan, n.failArg(0, CodeInvalidArgument, "raise the length or lower a minimum", "is less than the sum of the minimums")
	}
	for i, class := range plan.classes {
		class = strings.Map(func(r rune) rune {
			if strings.ContainsRune(avoid, r) {
				return -1
			}
			return r
		}, class)
		plan.classes[i] = class
		if plan.least[i] > 0 && class == "" {
			return plan, n.failArg(5, CodeInvalidArgument, "avoid fewer characters", "leaves no character for %s", n.fn.Params[i+1].Name)
		}
		if plan.least[i] > 0 || total == 0 && i != 1 { // without minimums: no special characters
			plan.rest += class
		}
	}
	if plan.rest == "" {
		return plan, n.failArg(5, CodeInvalidArgument, "avoid fewer characters", "leaves no character")
	}
	return plan, nil
}

// checkRandomString finds at load what is wrong if all arguments are literals.
func checkRandomString(n *node) error {
	var args [6]Value
	for i := range n.args {
		arg := n.arg(i)
		if arg == nil {
			continue
		}
		if arg.op != opLiteral {
			return nil
		}
		args[i] = arg.val
	}
	_, err := n.randomPlan(args)
	return err
}
