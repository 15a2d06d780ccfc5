package msgraph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/scimsync/scimsync/connectors/internal/wire"
	"github.com/scimsync/scimsync/engine"
)

// errorMappings make the adapter decode error bodies into the SDK's typed error.
func errorMappings() abstractions.ErrorMappings {
	return abstractions.ErrorMappings{"4XX": newGraphError, "5XX": newGraphError}
}

// graphError is the SDK's typed error with an Error method that does not panic when the body has
// no message; a tracer calls it from inside the SDK.
type graphError struct{ *odataerrors.ODataError }

func newGraphError(serialization.ParseNode) (serialization.Parsable, error) {
	return &graphError{odataerrors.NewODataError()}, nil
}

func (e *graphError) Error() string { return "error answer of Microsoft Graph " + e.code() }

func (e *graphError) code() string {
	main := e.GetErrorEscaped()
	if main == nil || main.GetCode() == nil {
		return ""
	}
	return *main.GetCode()
}

// errorCodes are the codes of an error body at every depth, the outermost first. The inner object is
// spelled innerError or innererror and may nest (section 18). A body that is no JSON has none.
func errorCodes(body []byte) []string {
	body = bytes.TrimPrefix(body, []byte(bom))
	if wire.CheckDepth(body, 32) != nil {
		return nil
	}
	var doc map[string]any
	if json.Unmarshal(body, &doc) != nil {
		return nil
	}
	var codes []string
	level, _ := doc["error"].(map[string]any)
	for level != nil {
		if c, ok := level["code"].(string); ok && c != "" {
			codes = append(codes, c)
		}
		var inner map[string]any
		for k, v := range level {
			if strings.EqualFold(k, "innererror") {
				inner, _ = v.(map[string]any)
			}
		}
		level = inner
	}
	return codes
}

func has(codes []string, any ...string) bool {
	return slices.ContainsFunc(codes, func(c string) bool {
		return slices.ContainsFunc(any, func(a string) bool { return strings.EqualFold(a, c) })
	})
}

// dead reports whether codes say that a link is no longer accepted (GS-RS-1, GS-DL-6).
func dead(codes []string) bool {
	return has(codes, "syncStateNotFound", "syncStateInvalid", "Directory_ExpiredPageToken", "DirectoryExpiredPageToken", "InvalidPageToken") ||
		slices.ContainsFunc(codes, func(c string) bool { return len(c) >= 6 && strings.EqualFold(c[:6], "resync") })
}

// A place is where a URL came from, which decides what an error about it means.
type place int

const (
	atStart       place = iota // the first request of a feed or list: built from the configuration
	atLink                     // a link that Graph gave
	atObject                   // one object by id; that there is none is an answer
	atApplication              // the service principal
	atBatch                    // $batch itself
)

// A verdict is what an answer means and whether it is worth asking again.
type verdict struct {
	ok      bool
	missing bool  // the object does not exist
	err     error // what it means when it is not asked again
	renew   bool  // with another token
	again   bool
	class   string // counts towards most
	most    int    // repetitions at most; 0: as long as patience lasts
	asked   time.Duration
	least   time.Duration
	hold    bool // nobody on this connection may ask meanwhile
}

// judge is the table of section 18.
func (c *call) judge(status int, h http.Header, body []byte, now time.Time) verdict {
	if status >= 200 && status < 300 {
		return verdict{ok: true}
	}
	codes := errorCodes(body)
	if c.place == atLink && (status == http.StatusGone || dead(codes)) {
		return verdict{err: expired(status, codes)}
	}
	switch {
	case status == 401, status == 403 && has(codes, "insufficient_claims"):
		return verdict{renew: true, err: c.fail(engine.CodeSourceUnauthorized, status, codes,
			"the access token was refused; check that tenant, cloud and endpoint belong together (an access token of the configuration may have expired)")}
	case status == 429, status == 509, has(codes, "TooManyRequests", "activityLimitReached", "throttledRequest"):
		return c.wait(verdict{hold: true}, status, h, codes, now)
	case slices.Contains([]int{408, 409, 412, 423, 502, 503, 504}, status):
		return c.wait(verdict{}, status, h, codes, now)
	case status == 501:
		return verdict{err: c.fail(engine.CodeSourceQuery, status, codes, "a selected attribute is not supported here; remove it from the mapping: "+c.asks)}
	case status >= 500:
		return c.wait(verdict{class: "500", most: 5}, status, h, codes, now)
	case status == 402:
		return verdict{err: c.fail(engine.CodeSourceLicense, status, codes, "the tenant lacks a licence for this; the directory's administrator has to look at the tenant's licences")}
	case status == 403:
		return verdict{err: c.fail(engine.CodeSourceForbidden, status, codes, "a permission is missing; grant the application "+c.permission+" and give admin consent")}
	case status == 404:
		return c.notFound(codes)
	case status == 400 && c.place == atLink:
		return verdict{err: expired(status, codes)}
	case status == 400 && c.place == atStart:
		return verdict{err: c.fail(engine.CodeSourceQuery, status, codes, "Graph rejects the question; an attribute may be unknown in this tenant, or the tenant has no change tracking: "+c.asks)}
	default:
		return verdict{err: c.fail(engine.CodeSourceQuery, status, codes, "Graph rejects the request; check that the endpoint is a Microsoft Graph root")}
	}
}

// wait completes the verdict on an answer that says "later".
func (c *call) wait(v verdict, status int, h http.Header, codes []string, now time.Time) verdict {
	v.again = true
	if d, ok := wire.RetryAfter(h, now); ok {
		v.asked, v.hold = d, true
	} else if h.Get("Retry-After") != "" {
		v.least = time.Second // zero, or a date in the past (GS-TH-3)
	}
	e := c.fail(engine.CodeSourceUnavailable, status, codes, "Graph is busy or down; nothing is wrong with the job, and what was read is kept")
	e.Transient = true
	v.err = e
	return v
}

// lingering are waits between repetitions of a link that was not found: five minutes in all.
func lingering(n int) time.Duration {
	return []time.Duration{20 * time.Second, 80 * time.Second, 200 * time.Second}[min(n, 2)]
}

// notFound never takes an answer for "gone" that does not say so in Graph's words: a proxy or a
// wrong endpoint answers 404 as well.
func (c *call) notFound(codes []string) verdict {
	switch {
	case c.place == atLink:
		return verdict{again: true, class: "404", most: 3, err: expired(404, codes)}
	case c.place == atApplication:
		return verdict{err: c.fail(engine.CodeSourceApplication, 404, codes, "the application whose assignments define the scope does not exist; check servicePrincipalId or appId. Nobody was treated as unassigned")}
	case c.place == atObject && has(codes, "Request_ResourceNotFound", "ResourceNotFound", "itemNotFound", "Directory_ObjectNotFound"):
		return verdict{missing: true}
	case c.place == atObject:
		e := c.fail(engine.CodeSourceUnavailable, 404, codes, "Graph did not say whether the object exists; the next cycle asks again")
		e.Transient = true
		return verdict{again: true, class: "404 of an object", most: 3, err: e}
	default:
		return verdict{err: c.fail(engine.CodeSourceQuery, 404, codes, "the endpoint is no Microsoft Graph root; check endpoint and cloud")}
	}
}

func (c *call) fail(code engine.Code, status int, codes []string, what string) *engine.SourceError {
	where := fmt.Sprintf("HTTP %d", status)
	if len(codes) > 0 {
		where += " " + plainCode(codes[0])
	}
	return &engine.SourceError{Code: code, Status: status, Message: fmt.Sprintf("read %s: %s (%s)", c.template, what, where)}
}

func expired(status int, codes []string) error {
	where := fmt.Sprintf("HTTP %d", status)
	if len(codes) > 0 {
		where += " " + plainCode(codes[len(codes)-1])
	}
	return fmt.Errorf("%w (%s)", engine.ErrCursorExpired, where)
}

// plainCode keeps what a code is made of: error texts get logged, and bodies are the server's.
func plainCode(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
	return wire.Clip(s, 60)
}

func foreign() error {
	return &engine.SourceError{Code: engine.CodeSourceForeignLink,
		Message: "the directory sent a link to another host, and nothing was sent there; check what stands between this machine and Microsoft Graph"}
}

// A damaged answer has status 2xx and a body that cannot be right. It is asked for again (GS-HT-2).
type damaged struct{ why string }

func (d *damaged) Error() string { return d.why }
