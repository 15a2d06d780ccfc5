package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// mask is shown in place of a secret, and accepted as "the one in effect".
const mask = "*"

// key is a secret, or a setting that Graph keeps among the secrets (section 6).
type key struct {
	name string // in the spelling of Graph
	file string // its place in the block of a job in the configuration file
	// value is the one in effect; set is false if there is none. Secrets give the mask.
	value func(Job) (value string, set bool)
	// same compares a value with the one in effect; nil: as texts.
	same func(j Job, value string) (bool, error)
}

func secret(name, file string, types ...string) key {
	return key{name: name, file: file, value: func(j Job) (string, bool) {
		return mask, slices.Contains(types, j.AuthType)
	}}
}

func flag(name, file string, on func(Job) bool, set func(Job) bool) key {
	return key{
		name: name, file: file,
		value: func(j Job) (string, bool) { return strconv.FormatBool(on(j)), set(j) },
		same: func(j Job, value string) (bool, error) {
			b, err := strconv.ParseBool(strings.ToLower(value))
			if err != nil {
				return false, badRequest(fmt.Sprintf("%s: %q is neither true nor false.", name, value))
			}
			return b == on(j), nil
		},
	}
}

func always(Job) bool { return true }

// hardDeletes reports whether an account whose owner left the scope is deleted instead of disabled.
func hardDeletes(j Job) bool {
	return j.Options.HardDisable || j.Options.OutOfScope.Action == engine.LeaveDelete
}

// keys are all that have a meaning here, in the order in which they are listed.
var keys = []key{
	{name: "BaseAddress", file: "target.baseUrl", value: func(j Job) (string, bool) { return j.BaseURL, j.BaseURL != "" },
		same: func(j Job, v string) (bool, error) {
			return strings.TrimRight(v, "/") == strings.TrimRight(j.BaseURL, "/"), nil
		}},
	{name: "AuthenticationType", file: "target.auth.type", value: func(j Job) (string, bool) { return j.AuthType, j.AuthType != "" },
		same: func(j Job, v string) (bool, error) { return strings.EqualFold(v, j.AuthType), nil }},
	secret("SecretToken", "target.auth.token", "bearer", "header"),
	secret("UserName", "target.auth.username", "basic"),
	secret("Password", "target.auth.password", "basic"),
	secret("Oauth2ClientId", "target.auth.clientId", "oauth2"),
	secret("Oauth2ClientSecret", "target.auth.clientSecret", "oauth2"),
	secret("Oauth2TokenExchangeUri", "target.auth.tokenUrl", "oauth2"),
	secret("ClientIdentifier", "target.auth.clientId"),
	secret("ClientSecret", "target.auth.clientSecret"),
	{name: "TokenExpiration", file: "target.auth.expires",
		value: func(j Job) (string, bool) { return j.Expires.UTC().Format(time.RFC3339), !j.Expires.IsZero() },
		same: func(j Job, v string) (bool, error) {
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return false, badRequest(fmt.Sprintf("TokenExpiration: %q is no time such as 2031-03-01T08:00:00Z.", v))
			}
			return t.Equal(j.Expires), nil
		}},
	flag("SyncAll", "scope", func(j Job) bool { return j.Scope == "all" }, always),
	flag("SkipOutOfScopeDeletions", "deletions.skipOutOfScope", func(j Job) bool { return j.Options.SkipOutOfScope }, always),
	flag("HardDeletesEnabled", "onOutOfScope", hardDeletes, hardDeletes),
	flag("UpdateKeyOnSoftDelete", "renameOnSoftDelete", func(j Job) bool { return !j.Options.KeepNameOnSoftDelete }, func(j Job) bool { return j.Options.KeepNameOnSoftDelete }),
	{name: "SyncNotificationSettings", file: "notify and deletions.threshold", value: func(j Job) (string, bool) { return notifications(j), true }, same: sameNotifications},
}

// secretKey finds a key by its name, in any letter case.
func secretKey(name string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return strings.EqualFold(k.name, name) })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

func unknownSecret(name string) error {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	return badRequest(fmt.Sprintf("The key %q has no meaning here. Remove it, or send the header Prefer: handling=lenient. Keys are %s.", name, strings.Join(names, ", ")),
		ProblemDetail{Code: "UnknownKey", Message: "no meaning here", Target: name})
}

// secrets lists the keys of a job that are set.
func secrets(j Job) []KeyValue {
	out := []KeyValue{}
	for _, k := range keys {
		if v, set := k.value(j); set {
			out = append(out, KeyValue{k.name, v})
		}
	}
	return out
}

// inEffect reports whether a value is the one that the configuration has. "" asks for none.
func (k key) inEffect(a *API, j Job, value string) (bool, error) {
	have, set := k.value(j)
	switch {
	case value == "":
		return !set, nil
	case k.same != nil:
		return k.same(j, value)
	case value == mask:
		return set, nil
	case have == mask:
		judge, ok := a.backend.(SecretJudge)
		return ok && judge.SameSecret(j.ID, k.name, value), nil
	}
	return value == have, nil
}

// notificationSettings are the members of SyncNotificationSettings that have a meaning here.
type notificationSettings struct {
	Enabled                *bool   `json:"Enabled,omitempty"`
	DeleteThresholdEnabled *bool   `json:"DeleteThresholdEnabled,omitempty"`
	DeleteThresholdValue   *int    `json:"DeleteThresholdValue,omitempty"`
	Recipients             *string `json:"Recipients,omitempty"`
}

func notificationsOf(j Job) notificationSettings {
	n := notificationSettings{Enabled: new(j.OnFailure), DeleteThresholdEnabled: new(!j.Options.Deletions.Off), Recipients: new(strings.Join(j.Email, ";"))}
	if t := j.Options.Deletions.Threshold; t > 0 {
		n.DeleteThresholdValue = &t
	}
	return n
}

func notifications(j Job) string {
	data, err := json.Marshal(notificationsOf(j))
	if err != nil {
		return "{}" // flags, numbers and texts always marshal
	}
	return string(data)
}

func sameNotifications(j Job, value string) (bool, error) {
	var want notificationSettings
	if err := json.Unmarshal([]byte(value), &want); err != nil {
		return false, badRequest("SyncNotificationSettings: the value is not a JSON object in a string, such as {\"Enabled\":true,\"DeleteThresholdEnabled\":true}.")
	}
	have := notificationsOf(j)
	return same(want.Enabled, have.Enabled) && same(want.DeleteThresholdEnabled, have.DeleteThresholdEnabled) &&
		same(want.DeleteThresholdValue, have.DeleteThresholdValue) && same(want.Recipients, have.Recipients), nil
}

// same reports whether a wanted value, if there is one, is the one there is.
func same[T comparable](want, have *T) bool {
	return want == nil || have != nil && *want == *have
}
