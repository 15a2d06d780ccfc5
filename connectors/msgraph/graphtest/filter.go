package graphtest

import (
	"errors"
	"fmt"
	"strings"
)

// A condition compares one property; a filter is an OR of ANDs of them.
type condition struct {
	name, op, value string // op: eq, startswith
	quoted          bool
}

type filter [][]condition

var errFilter = errors.New("the filter is not understood; use eq and startswith, joined by and / or")

// parseFilter reads the part of OData's filter language that the sandbox knows: eq and startswith,
// joined by and and or, where and binds closer; no brackets, no not.
func parseFilter(text string) (filter, error) {
	words, err := filterWords(text)
	if err != nil {
		return nil, err
	}
	f := filter{nil}
	for {
		var c condition
		switch {
		case len(words) >= 6 && strings.EqualFold(words[0].text, "startswith") && words[1].is("(") && words[3].is(",") && words[5].is(")"):
			if !words[4].quoted || words[2].quoted {
				return nil, errFilter
			}
			c = condition{words[2].text, "startswith", words[4].text, true}
			words = words[6:]
		case len(words) >= 3 && !words[0].quoted && !words[1].quoted && strings.EqualFold(words[1].text, "eq"):
			c = condition{words[0].text, "eq", words[2].text, words[2].quoted}
			if !c.quoted && strings.ContainsAny(c.value, "(),") {
				return nil, errFilter
			}
			words = words[3:]
		default:
			return nil, errFilter
		}
		f[len(f)-1] = append(f[len(f)-1], c)
		switch {
		case len(words) == 0:
			return f, nil
		case words[0].quoted:
			return nil, errFilter
		case strings.EqualFold(words[0].text, "or"):
			f = append(f, nil)
		case !strings.EqualFold(words[0].text, "and"):
			return nil, errFilter
		}
		words = words[1:]
	}
}

type filterWord struct {
	text   string
	quoted bool
}

func (w filterWord) is(s string) bool { return !w.quoted && w.text == s }

func filterWords(s string) ([]filterWord, error) {
	var out []filterWord
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		switch {
		case s[0] == '\'':
			var b strings.Builder
			i := 1
			for ; ; i++ {
				if i >= len(s) {
					return nil, errors.New("a string in the filter does not end")
				}
				if s[i] == '\'' {
					if i+1 < len(s) && s[i+1] == '\'' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			out = append(out, filterWord{b.String(), true})
			s = s[i+1:]
		case strings.IndexByte("(),", s[0]) >= 0:
			out = append(out, filterWord{s[:1], false})
			s = s[1:]
		default:
			i := strings.IndexAny(s, " \t(),'")
			if i < 0 {
				i = len(s)
			}
			out = append(out, filterWord{s[:i], false})
			s = s[i:]
		}
	}
	return out, nil
}

// filterable are the properties that list filters may name, besides extensions.
const filterable = " id userprincipalname mail displayname accountenabled mailnickname appid usertype department employeeid givenname surname securityenabled "

// filter compiles the call's $filter for objects of a kind.
func (c *call) filter(k kind) (func(o *object, at uint64) bool, *problem) {
	text := c.query.get("$filter")
	if strings.TrimSpace(text) == "" {
		return func(*object, uint64) bool { return true }, nil
	}
	bad := func(why string) (func(*object, uint64) bool, *problem) {
		return nil, &problem{400, "Request_UnsupportedQuery", why}
	}
	f, err := parseFilter(text)
	if err != nil {
		return bad("Unsupported or invalid query filter clause: " + err.Error() + ".")
	}
	for _, and := range f {
		for _, cond := range and {
			if !strings.Contains(filterable, " "+strings.ToLower(cond.name)+" ") && !isExtension(cond.name) {
				return bad(fmt.Sprintf("Unsupported property filter clause for '%.60s'.", cond.name))
			}
		}
	}
	return func(o *object, at uint64) bool {
		for _, and := range f {
			if c.s.holds(o, and, at) {
				return true
			}
		}
		return false
	}, nil
}

func (s *Server) holds(o *object, all []condition, at uint64) bool {
	for _, c := range all {
		if !s.compare(o, c, at) {
			return false
		}
	}
	return true
}

// compare is one comparison; texts are compared without case, as the directory does.
func (s *Server) compare(o *object, c condition, at uint64) bool {
	have, isText := o.id, true
	if !strings.EqualFold(c.name, "id") {
		def := s.dir.props[o.kind].byName[strings.ToLower(c.name)]
		if def == nil {
			return false
		}
		raw, _ := o.valueAt(def, at)
		if raw == "" {
			raw = "null"
		}
		if have, isText = raw, raw[0] == '"'; isText {
			have = unquote(raw)
		}
	}
	switch {
	case isText != c.quoted && !strings.EqualFold(c.name, "id"):
		return false
	case c.op == "startswith":
		return len(have) >= len(c.value) && strings.EqualFold(have[:len(c.value)], c.value)
	}
	return strings.EqualFold(have, c.value)
}
