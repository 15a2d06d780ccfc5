package graphtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// tokenLife is how long an issued bearer token works, in virtual seconds.
const tokenLife = 3599

// A bearer is what the token endpoint seals into a token.
type bearer struct {
	Client  string `json:"c"`
	Tenant  string `json:"t"`
	Expires int64  `json:"e"`
}

// admit checks the bearer token. Accepted are tokens of the token endpoint while they live, the
// token of the options (any, if there is none), and, unless the options name one, static tokens:
// "emu-<tenant>-<set>", where the set is "all", "none" or a list such as "users+groups", and
// "emu-expired", "emu-revoked" and "emu-claims", which fail in their way.
func (c *call) admit() (answer, bool) {
	h := c.header.Get("Authorization")
	scheme, token, _ := strings.Cut(h, " ")
	token = strings.TrimSpace(token)
	if h == "" {
		return c.refuse("Access token is empty.", ""), false
	}
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return c.refuse("CompactToken parsing failed with error code: 80049217", ""), false
	}
	c.grant, c.client = everything, "static"
	switch {
	case token == "emu-expired":
		return c.refuse("Lifetime validation failed, the token is expired.", ""), false
	case token == "emu-revoked":
		return c.refuse("Access token has been revoked.", ""), false
	case token == "emu-claims":
		claims := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"nbf":{"essential":true,"value":"1"}}}`))
		return c.refuse("Continuous access evaluation resulted in challenge with result: InteractionRequired.", claims), false
	case strings.HasPrefix(token, "sealed."):
		var b bearer
		raw, ok := c.s.seal.open(token[len("sealed."):])
		if !ok || json.Unmarshal(raw, &b) != nil {
			return c.refuse("Signature validation failed.", ""), false
		}
		if c.s.dir.now.Unix() >= b.Expires {
			return c.refuse("Lifetime validation failed, the token is expired.", ""), false
		}
		c.client = b.Client
	case c.s.opts.Token != "" && token != c.s.opts.Token:
		return c.refuse("Signature validation failed.", ""), false
	case c.s.opts.Token == "" && strings.HasPrefix(token, "emu-"):
		c.client = token
		c.grant = grantOf(token[strings.LastIndexByte(token, '-')+1:])
	}
	return answer{}, true
}

func grantOf(set string) grant {
	var g grant
	for name := range strings.SplitSeq(set, "+") {
		switch name {
		case "all":
			g |= everything
		case "users":
			g |= readUsers
		case "groups":
			g |= readGroups
		case "apps":
			g |= readApps
		case "write":
			g |= writeAll
		case "directory":
			g |= readUsers | readGroups | readApps | readAll
		}
	}
	return g
}

func (c *call) refuse(message, claims string) answer {
	a := c.fail(http.StatusUnauthorized, "InvalidAuthenticationToken", message)
	challenge := `Bearer realm="", authorization_uri="https://login.example.test/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`
	if claims != "" {
		challenge += `, error="insufficient_claims", claims="` + claims + `"`
	}
	a.header.Set("WWW-Authenticate", challenge)
	return a
}

// token is the client credentials grant (RFC 6749 section 4.4), with a secret or with an assertion
// (RFC 7523) whose claims are checked, but not its signature.
func (c *call) token() answer {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return c.refuseToken(400, "invalid_request", "The form is malformed.", 900144)
	}
	id, o := form.Get("client_id"), c.s.opts
	switch {
	case form.Get("grant_type") != "client_credentials":
		return c.refuseToken(400, "unsupported_grant_type", "The grant type is not supported.", 70003)
	case id == "":
		return c.refuseToken(400, "invalid_request", "The request body must contain the parameter client_id.", 900144)
	case !strings.EqualFold(c.args[0], c.s.tenant) && o.TenantID != "":
		return c.refuseToken(400, "invalid_request", "The tenant was not found.", 90002)
	case o.ClientID != "" && !strings.EqualFold(id, o.ClientID):
		return c.refuseToken(400, "unauthorized_client", "The application was not found in the directory.", 700016)
	case !slices.ContainsFunc(strings.Fields(form.Get("scope")), isDefault): // libraries add openid and the like
		return c.refuseToken(400, "invalid_scope", "The scope is not valid for this grant; use the resource's .default.", 70011)
	}
	if assertion := form.Get("client_assertion"); assertion != "" {
		if why := c.checkAssertion(assertion, id); why != "" {
			return c.refuseToken(401, "invalid_client", why, 700027)
		}
	} else if secret := form.Get("client_secret"); secret == "" || (o.ClientSecret != "" && secret != o.ClientSecret) {
		return c.refuseToken(401, "invalid_client", "Invalid client secret provided.", 7000215)
	}
	payload, err := json.Marshal(bearer{id, c.s.tenant, c.s.dir.now.Unix() + tokenLife})
	if err != nil {
		panic(err) // plain values
	}
	return c.json(200, map[string]any{
		"token_type": "Bearer", "expires_in": tokenLife, "ext_expires_in": tokenLife,
		"access_token": "sealed." + c.s.seal.close(c.s.dice.next(), payload),
	})
}

func isDefault(scope string) bool { return strings.HasSuffix(scope, "/.default") }

func (c *call) checkAssertion(assertion, client string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "The client assertion is not a JWT."
	}
	var claims struct {
		Aud string `json:"aud"`
		Iss string `json:"iss"`
		Sub string `json:"sub"`
		Exp int64  `json:"exp"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return "The claims of the client assertion cannot be read."
	}
	switch {
	case claims.Aud != c.self:
		return "The audience of the client assertion is not this endpoint."
	case !strings.EqualFold(claims.Iss, client) || !strings.EqualFold(claims.Sub, client):
		return "Issuer and subject of the client assertion must be the client id."
	case claims.Exp <= c.s.dir.now.Unix():
		return "The client assertion has expired."
	}
	return ""
}

func (c *call) refuseToken(status int, code, why string, number int) answer {
	return c.json(status, map[string]any{
		"error": code, "error_description": why, "error_codes": []int{number},
		"timestamp":      c.s.dir.now.UTC().Format("2006-01-02 15:04:05Z"),
		"trace_id":       uuid(mix(c.id, 4)),
		"correlation_id": uuid(mix(c.id, 5)),
	})
}

// discovery is what client libraries ask for before the first token.
func (c *call) discovery() answer {
	base := c.root + "/" + c.args[0]
	return c.json(200, map[string]any{
		"issuer":                                base + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
	})
}
