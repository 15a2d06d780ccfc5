package scimtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/scim2/filter-parser/v2"
)

// literal stands for a string literal of a filter: its place among the literals lifted out.
type literal int

// expr is a parsed filter, for a resource or for the elements inside brackets. Exactly one of the
// groups of fields is set, as kind says.
type expr struct {
	kind        exprKind
	left, right *expr // and, or; not uses left
	path        filter.AttributePath
	op          filter.CompareOperator
	value       any   // literal, json.Number, bool or nil
	inner       *expr // some: a condition on the elements at path
}

type exprKind int

const (
	and exprKind = iota
	or
	not
	compare
	some
)

// pathExpr is a parsed PATCH path: attribute, value filter, sub-attribute behind the brackets.
type pathExpr struct {
	path  filter.AttributePath
	where *expr
	sub   string
}

const placeholder = "lifted-" // attribute names that stand for expressions with brackets

// The parser calls itself for every parenthesis; without a limit one request could end the process.
const (
	maxFilterBytes = 8 << 10
	maxFilterDepth = 50
)

var errSyntax = errors.New("syntax of a filter or path")

// cache remembers what the parser said about a text from which the literals are lifted, so that the
// thousand searches of one shape are parsed once.
type cache[T any] struct {
	mu    sync.RWMutex
	known map[string]T
}

const maxCached = 2000 // a client that varies numbers or names must not fill the memory

func (c *cache[T]) get(text string, parse func() (T, error)) (T, error) {
	c.mu.RLock()
	v, ok := c.known[text]
	c.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := parse()
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxCached {
		c.known = map[string]T{}
	}
	c.known[text] = v
	return v, nil
}

// pathCache keeps what a resource kind has parsed.
type pathCache struct {
	filters cache[*expr]
	paths   cache[*pathExpr]
}

// lift takes the string literals out of a filter and leaves their numbers, quoted. It decodes them
// as JSON strings, which is what RFC 7644 figure 1 says they are.
func lift(text string) (string, []string, error) {
	var out strings.Builder
	var lits []string
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			out.WriteByte(text[i])
			continue
		}
		end := i + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(text) {
			return "", nil, fmt.Errorf("%w: a string is not closed", errSyntax)
		}
		s := text[i+1 : end]
		if strings.IndexByte(s, '\\') >= 0 {
			if err := json.Unmarshal([]byte(text[i:end+1]), &s); err != nil {
				return "", nil, fmt.Errorf("%w: a string has a wrong escape", errSyntax)
			}
		}
		out.WriteString(`"` + strconv.Itoa(len(lits)) + `"`)
		lits = append(lits, s)
		i = end
	}
	return out.String(), lits, nil
}

// parseFilter parses the filter of a search.
func (c *pathCache) parseFilter(text string) (*expr, []string, error) {
	skeleton, lits, err := lift(strings.TrimSpace(text))
	if err != nil {
		return nil, nil, err
	}
	e, err := c.filters.get(skeleton, func() (*expr, error) { return parseSkeleton(skeleton) })
	return e, lits, err
}

// parsePath parses the path of a PATCH operation.
func (c *pathCache) parsePath(text string) (*pathExpr, []string, error) {
	skeleton, lits, err := lift(text)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.paths.get(skeleton, func() (*pathExpr, error) { return parsePathSkeleton(skeleton) })
	return p, lits, err
}

func parsePathSkeleton(s string) (*pathExpr, error) {
	name, rest, ok := strings.Cut(s, "[")
	path, err := filter.ParseAttrPath([]byte(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %q", errSyntax, s)
	}
	if !ok {
		return &pathExpr{path: path}, nil
	}
	inner, tail, ok := strings.Cut(rest, "]")
	if !ok || path.SubAttribute != nil {
		return nil, fmt.Errorf("%w: %q", errSyntax, s)
	}
	where, err := parseSkeleton(inner)
	if err != nil {
		return nil, err
	}
	p := &pathExpr{path: path, where: where}
	if tail == "" {
		return p, nil
	}
	sub, err := filter.ParseAttrPath([]byte(strings.TrimPrefix(tail, ".")))
	if err != nil || tail[0] != '.' || sub.SubAttribute != nil || sub.URIPrefix != nil {
		return nil, fmt.Errorf("%w: %q", errSyntax, s)
	}
	p.sub = sub.AttributeName
	return p, nil
}

// parseSkeleton parses a filter whose literals are lifted. Expressions with brackets are replaced by
// a placeholder first: the parser knows neither a comparison behind the brackets, which Entra sends,
// nor more than two terms inside.
func parseSkeleton(s string) (*expr, error) {
	if len(s) > maxFilterBytes || strings.Count(s, "(") > maxFilterDepth || strings.Count(s, "[") > maxFilterDepth {
		return nil, fmt.Errorf("%w: too long or too deep", errSyntax)
	}
	var brackets []*expr
	for {
		open := strings.IndexByte(s, '[')
		if open < 0 {
			break
		}
		end := strings.IndexByte(s[open:], ']')
		if end < 0 {
			return nil, fmt.Errorf("%w: a bracket is not closed", errSyntax)
		}
		end += open
		start := strings.LastIndexAny(s[:open], " (") + 1
		rest, e, err := parseBrackets(s[start:open], s[open+1:end], s[end+1:])
		if err != nil {
			return nil, err
		}
		s = s[:start] + placeholder + strconv.Itoa(len(brackets)) + " pr" + rest
		brackets = append(brackets, e)
	}
	parsed, err := filter.ParseFilterNumber([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSyntax, err)
	}
	return fromParser(parsed, brackets)
}

// parseBrackets parses name[inner] and, if rest begins with it, a comparison ".sub op value"; it
// returns what is left of rest.
func parseBrackets(name, inner, rest string) (string, *expr, error) {
	path, err := filter.ParseAttrPath([]byte(name))
	if err != nil {
		return "", nil, fmt.Errorf("%w: %q", errSyntax, name)
	}
	where, err := parseSkeleton(inner)
	if err != nil {
		return "", nil, err
	}
	e := &expr{kind: some, path: path, inner: where}
	if !strings.HasPrefix(rest, ".") {
		return rest, e, nil
	}
	words := strings.SplitN(rest[1:], " ", 4)
	n := 3
	if len(words) > 1 && strings.EqualFold(strings.TrimRight(words[1], ")"), "pr") {
		n = 2
	}
	if len(words) < n {
		return "", nil, fmt.Errorf("%w: %q", errSyntax, rest)
	}
	words[n-1] = strings.TrimRight(words[n-1], ")") // parentheses close outside of the comparison
	term := strings.Join(words[:n], " ")
	tail, err := filter.ParseAttrExpNumber([]byte(term))
	if err != nil {
		return "", nil, fmt.Errorf("%w: %q", errSyntax, term)
	}
	t, err := fromParser(&tail, nil)
	if err != nil {
		return "", nil, err
	}
	e.inner = &expr{kind: and, left: where, right: t}
	return rest[1+len(term):], e, nil
}

// fromParser turns the parser's tree into ours.
func fromParser(p filter.Expression, brackets []*expr) (*expr, error) {
	switch p := p.(type) {
	case *filter.LogicalExpression:
		left, err := fromParser(p.Left, brackets)
		if err != nil {
			return nil, err
		}
		right, err := fromParser(p.Right, brackets)
		if err != nil {
			return nil, err
		}
		kind := and
		if p.Operator == filter.OR {
			kind = or
		}
		return &expr{kind: kind, left: left, right: right}, nil
	case *filter.NotExpression:
		left, err := fromParser(p.Expression, brackets)
		return &expr{kind: not, left: left}, err
	case *filter.AttributeExpression:
		if n, ok := strings.CutPrefix(p.AttributePath.AttributeName, placeholder); ok && p.Operator == filter.PR {
			if i, err := strconv.Atoi(n); err == nil && i < len(brackets) {
				return brackets[i], nil
			}
		}
		e := &expr{kind: compare, path: p.AttributePath, op: p.Operator, value: p.CompareValue}
		if s, ok := p.CompareValue.(string); ok {
			i, err := strconv.Atoi(s)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errSyntax, err)
			}
			e.value = literal(i)
		}
		return e, nil
	default:
		return nil, fmt.Errorf("%w: %T is not expected here", errSyntax, p)
	}
}
