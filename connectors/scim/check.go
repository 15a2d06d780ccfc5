package scim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/engine"
)

// Check implements [engine.Target] (section 8): it searches for objects that cannot exist, by every
// matching attribute, looks at one page of users, and reads what the server says about itself. It
// never writes.
func (c *Client) Check(ctx context.Context, matching map[engine.Kind][]engine.Path) ([]engine.Finding, error) {
	ck := &checking{c: c}
	if _, _, err := c.auth.header(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ended(ctx)
		}
		ck.fail(ctx, "credentials", err)
		return ck.findings, nil
	}
	if c.set.Auth.Type == "oauth2" {
		ck.add("credentials", engine.LevelOK, "the token endpoint gave a token")
	}
	reached := true
	for _, k := range []engine.Kind{engine.User, engine.Group} {
		paths, wanted := matching[k]
		if !wanted || !reached {
			continue
		}
		if len(paths) == 0 {
			ck.add(words(k, "matching"), engine.LevelError, "no matching attribute is mapped; give one attribute match: 1")
		}
		for i, p := range paths {
			if reached = ck.nobody(ctx, k, p); !reached {
				break
			}
			if k == engine.User && i == len(paths)-1 {
				reached = ck.somebody(ctx, k, paths)
			}
		}
	}
	if reached {
		d, err := c.Discover(ctx)
		if err == nil {
			ck.findings = append(ck.findings, d.finding())
		}
	}
	for _, n := range c.set.base.notes {
		ck.add("tenant URL", engine.LevelWarn, n)
	}
	if ctx.Err() != nil {
		return ck.findings, ended(ctx)
	}
	return ck.findings, nil
}

type checking struct {
	c        *Client
	findings []engine.Finding
}

func (ck *checking) add(name string, level engine.Level, detail string) {
	ck.findings = append(ck.findings, engine.Finding{Name: name, Level: level, Detail: detail})
}

func words(k engine.Kind, what string) string { return string(k) + "s: " + what }

// fail explains an error. It reports whether further requests make sense.
func (ck *checking) fail(ctx context.Context, name string, err error) bool {
	te, ok := errors.AsType[*engine.TargetError](ck.c.settled(ctx, err))
	if !ok {
		ck.add(name, engine.LevelError, "the test was interrupted")
		return false
	}
	what, further := explain(te)
	if te.Detail != "" {
		what += ": " + te.Detail
	}
	ck.findings = append(ck.findings, engine.Finding{Name: name, Level: engine.LevelError, Code: te.Code, Detail: fmt.Sprintf("%s [%s]", what, te.Error())})
	return further
}

// explain says what a failure means to the person who runs the test, and what to do.
func explain(te *engine.TargetError) (what string, further bool) {
	switch te.Code {
	case engine.CodeCredentials:
		return "the target refuses the credentials; renew them in target.auth", false
	case engine.CodeForbidden:
		return "the credentials are valid but may not do this; give them the right to read and write users and groups", true
	case engine.CodeTransport, engine.CodeTimeout:
		return "the target cannot be reached; check target.baseUrl, the network and certificates", false
	case engine.CodeThrottled:
		return "the target asks for patience; try again later", false
	case engine.CodeServerError:
		return "the target fails with an error of its own", false
	case engine.CodeFilterUnsupported:
		return "the target cannot be searched by this attribute; match by another one", true
	case engine.CodeFilterIgnored:
		return "the target ignores the filter and returns others; matching would link the wrong objects, so this attribute must not be matched by", true
	}
	return "the answer is not what SCIM prescribes; check that target.baseUrl is the tenant URL of the SCIM interface", true
}

// nobody searches for an object that cannot exist (T2, T3, T5).
func (ck *checking) nobody(ctx context.Context, k engine.Kind, p engine.Path) bool {
	name := words(k, "search by "+p.String())
	v := engine.Value{Path: p, Value: uuid()}
	found, err := ck.c.search(ctx, k, v)
	if err == nil && len(found) == 0 {
		ck.add(name, engine.LevelOK, "")
		return true
	}
	if err == nil {
		ck.add(name, engine.LevelError, "a search for an impossible value found something; the target ignores filters")
		return true
	}
	return ck.fail(ctx, name, err)
}

// somebody reads one user, and then searches for exactly that one (T4, T6).
func (ck *checking) somebody(ctx context.Context, k engine.Kind, paths []engine.Path) bool {
	c := ck.c
	name := words(k, "list")
	rep, err := c.send(ctx, request{op: opList, kind: k, method: http.MethodGet, path: endpoint(k), template: endpoint(k), query: "startIndex=1&count=1"})
	if err != nil {
		te, _ := errors.AsType[*engine.TargetError](c.settled(ctx, err))
		ck.add(name, engine.LevelWarn, "users cannot be listed, which drift checks need; provisioning does not: "+te.Error())
		return te.Code != engine.CodeTransport && te.Code != engine.CodeTimeout && te.Code != engine.CodeCredentials
	}
	p, err := parsePage(rep.body, k, c.set.limits)
	switch {
	case err != nil:
		ck.add(name, engine.LevelWarn, "the list of users cannot be read: "+c.red.Text(notJSON(rep.body, err), maxDetail))
		return true
	case len(p.resources) > 1:
		ck.add(name, engine.LevelWarn, "the target returned more entries than asked for")
	default:
		ck.add(name, engine.LevelOK, "")
	}
	if len(p.resources) == 0 {
		return true
	}
	for _, path := range paths {
		v := path.Read(p.resources[0].Attributes)
		if v == nil {
			continue
		}
		name := words(k, "find one by "+path.String())
		found, err := c.search(ctx, k, engine.Value{Path: path, Value: v})
		switch {
		case err != nil && unsupported(err):
			continue // said above, or a value with special characters
		case err != nil:
			return ck.fail(ctx, name, err)
		case len(found) == 0:
			ck.add(name, engine.LevelWarn, "a search for an existing user found nobody; the target may hide some users from searches")
		case len(found) > 1:
			ck.add(name, engine.LevelWarn, "a search for one existing user found several; matching by this attribute will fail for them")
		default:
			ck.add(name, engine.LevelOK, "")
		}
	}
	if _, known := p.resources[0].Attributes["active"]; !known && k == engine.User {
		ck.add(words(k, "active"), engine.LevelInfo, "the target does not return active, so that disabling cannot be confirmed by reading")
	}
	return true
}

// uuid is a random version 4 UUID: nobody has it.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
	return strings.ToLower(s)
}
