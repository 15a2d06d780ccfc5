package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// decode reads a body by the rules of section 1: members that begin with @odata. are passed over, other unknown
// ones are an error unless the caller asked for leniency. An empty body leaves into as it is.
func decode(c *call, body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	var text json.RawMessage
	if err := json.Unmarshal(body, &text); err != nil {
		return badJSON(err)
	}
	var tree any
	whole := json.NewDecoder(bytes.NewReader(text))
	whole.UseNumber()
	if err := whole.Decode(&tree); err != nil {
		return badJSON(err)
	}
	plain, err := json.Marshal(withoutOData(tree))
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	if !c.prefers("handling=lenient") {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return badJSON(err)
	}
	return nil
}

// required is decode for a body that must not be empty.
func required(c *call, body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return noBody()
	}
	return decode(c, body, into)
}

func noBody() *Problem {
	return badRequest("A body is missing. Send the JSON object that " + document + " describes.")
}

// withoutOData drops annotations of OData at every depth: they say nothing that matters here.
func withoutOData(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, m := range v {
			if strings.Contains(k, "@odata.") {
				delete(v, k)
				continue
			}
			v[k] = withoutOData(m)
		}
	case []any:
		for i := range v {
			v[i] = withoutOData(v[i])
		}
	}
	return v
}

// badJSON says what is wrong with a body.
func badJSON(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return badRequest(fmt.Sprintf("The body is not JSON: %s, at byte %d.", e.Error(), e.Offset))
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest(fmt.Sprintf("The body has %s where %s must be something else.", article(e.Value), memberName(e.Field)),
			ProblemDetail{Code: "InvalidType", Message: "a JSON " + e.Value + " is not allowed here", Target: e.Field})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return badRequest(fmt.Sprintf("The body has a member %q that is not known here. Remove it, or send the header Prefer: handling=lenient.", name),
			ProblemDetail{Code: "UnknownMember", Message: "not known", Target: name})
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return badRequest("The body ends in the middle of its JSON.")
	}
	return badRequest("The body cannot be read: " + err.Error() + ".")
}

// article puts the right one before a type of JSON: "an array", "a number 1.5".
func article(value string) string {
	if value != "" && strings.ContainsRune("aeiou", rune(value[0])) {
		return "an " + value
	}
	return "a " + value
}

func memberName(field string) string {
	if field == "" {
		return "the body"
	}
	return "the member " + field
}

// maxTop bounds a page; defaultTop is its size when the caller does not say.
const (
	defaultTop = 100
	maxTop     = 1000
)

// Paging are the parameters of lists. It is exported because huma looks at exported fields alone.
type Paging struct {
	Top  int    `query:"$top" minimum:"1" maximum:"1000" doc:"rows of a page; default 100"`
	Skip string `query:"$skiptoken" doc:"where to go on; part of the next link, not to be made up"`
}

func (p Paging) top() int {
	if p.Top <= 0 {
		return defaultTop
	}
	return min(p.Top, maxTop)
}

// resume reads the skip token into at, if there is one.
func (p Paging) resume(at any) error {
	if p.Skip == "" {
		return nil
	}
	data, err := base64.RawURLEncoding.DecodeString(p.Skip)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		err = d.Decode(at)
	}
	if err != nil {
		return badRequest("The $skiptoken is not one of this list. Follow the @odata.nextLink of a page as it is.", ProblemDetail{Code: "InvalidSkipToken", Message: "not a token of this list", Target: "$skiptoken"})
	}
	return nil
}

// next is the address of the page that begins at a position.
func (c *call) next(at any) (string, error) {
	data, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	u := *c.url
	u.Scheme, u.Host = c.scheme, c.host
	q := u.Query()
	q.Set("$skiptoken", base64.RawURLEncoding.EncodeToString(data))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// context is the cosmetic @odata.context of an answer to a client of Graph.
func (c *call) context(what string) string {
	if !c.graph {
		return ""
	}
	return c.scheme + "://" + c.host + root + "/$metadata#" + what
}
