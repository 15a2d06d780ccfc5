package scim

import (
	"bytes"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDetail is how many characters of an answer are kept (2.2).
const maxDetail = 1000

// scimError is what an error body says. Reading one never fails (section 19).
type scimError struct {
	scimType string // a word of RFC 7644 or RFC 9865; an invented word is part of detail only
	detail   string
	status   int    // in the body; the status line decides
	oauth    string // the error word of OAuth
	scim     bool   // it looks like a SCIM error
	html     bool
}

var scimTypes = []string{"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath",
	"noTarget", "invalidValue", "invalidVers", "sensitive", "invalidCursor", "expiredCursor", "invalidCount"}

// errorLimits are narrow: an error that nests deeper is text.
var errorLimits = limits{depth: 16, items: 1000, names: 1000}

// parseError reads an error body in any of the forms of section 19; the first hit wins.
func parseError(body []byte) scimError {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return scimError{}
	}
	v, err := parseJSON(body, errorLimits)
	if err != nil {
		return textError(body)
	}
	if l, ok := v.([]any); ok && len(l) > 0 {
		v = l[0]
	}
	m, ok := v.(object)
	if !ok {
		return scimError{detail: cut(scalar(v))}
	}
	return objectError(m)
}

func objectError(m object) scimError {
	top := fields(m)
	e := scimError{scim: mentions(top["schemas"], errorURN)}
	inside := []map[string]any{top}
	for _, name := range []string{"response", "error", "errors"} {
		v := top[name]
		if l, ok := v.([]any); ok && len(l) > 0 {
			v = l[0]
		}
		switch v := v.(type) {
		case object:
			inside = append(inside, fields(v))
		case string:
			if name == "error" {
				e.oauth = v
			} else if e.detail == "" {
				e.detail = v
			}
		}
	}
	if w, ok := m.at(webexErrorURN).(object); ok {
		inside = append(inside, fields(w))
	}
	var word, plainDetail string
	for _, f := range inside {
		first(&word, scalar(f["scimType"]))
		if e.status == 0 {
			e.status, _ = strconv.Atoi(scalar(f["status"]))
			if e.status == 0 {
				e.status, _ = strconv.Atoi(scalar(f["code"]))
			}
		}
		first(&plainDetail, detailText(f["detail"]))
	}
	for _, f := range inside { // words of other worlds, in the order of section 19
		for _, name := range []string{"description", "details", "error_description", "message", "title"} {
			first(&plainDetail, detailText(f[name]))
		}
	}
	first(&plainDetail, e.detail)
	for _, f := range inside {
		first(&plainDetail, scalar(f["errorCode"]))
		first(&plainDetail, scalar(f["code"]))
	}
	first(&plainDetail, e.oauth)
	if i := slices.IndexFunc(scimTypes, func(t string) bool { return strings.EqualFold(t, word) }); i >= 0 {
		e.scimType = scimTypes[i]
	} else if word != "" {
		plainDetail = strings.TrimSpace(word + " " + plainDetail)
	}
	e.scim = e.scim || e.scimType != ""
	e.detail = cut(plainDetail)
	return e
}

func first(have *string, s string) {
	if *have == "" {
		*have = strings.TrimSpace(s)
	}
}

// fields returns the members of an error object under their canonical names.
func fields(m object) map[string]any {
	out := make(map[string]any, len(m))
	for _, f := range m {
		n := f.name
		if a, ok := lookup(errorMembers, n); ok {
			n = a.name
		}
		out[n] = f.value
	}
	return out
}

// detailText serialises a detail that is not a text: some servers nest a structure in it.
func detailText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case object, []any:
		if empty(v) {
			return ""
		}
		return string(appendValue(nil, mapsOf(v)))
	}
	return scalar(v)
}

// textError reads plain text, or the title of a web page.
func textError(body []byte) scimError {
	if body[0] == '<' {
		e := scimError{html: true, detail: "a web page came back, probably from a login page or a proxy"}
		lower := bytes.ToLower(body)
		if i := bytes.Index(lower, []byte("<title")); i >= 0 {
			rest := body[i:]
			open := bytes.IndexByte(rest, '>')
			end := bytes.Index(lower[i:], []byte("</title"))
			if open >= 0 && end > open {
				e.detail += ": " + cut(html.UnescapeString(strings.TrimSpace(string(rest[open+1:end]))))
			}
		}
		return e
	}
	n := min(len(body), 300)
	for n > 0 && n < len(body) && !utf8.RuneStart(body[n]) {
		n--
	}
	return scimError{detail: strings.ToValidUTF8(string(body[:n]), "\uFFFD")}
}

// cut bounds a text before it is searched and redacted.
func cut(s string) string {
	if len(s) > 4*maxDetail {
		s = strings.ToValidUTF8(s[:4*maxDetail], "")
	}
	return s
}

// says reports whether the detail contains any of the words, in any case.
func (e scimError) says(words ...string) bool {
	d := strings.ToLower(e.detail)
	for _, w := range words {
		if strings.Contains(d, w) {
			return true
		}
	}
	return false
}

// taken reports whether an answer says that a unique value is held by another resource, however it
// says so (12.5).
func (e scimError) taken(status int) bool {
	switch status {
	case 409:
		return true
	case 400, 422, 500:
		return e.scimType == "uniqueness" || e.says("already exist", "already taken", "already in use", "duplicate", "unique constraint", "must be unique")
	}
	return false
}
