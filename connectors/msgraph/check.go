package msgraph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// quick bounds how long one question of a connection test is held up.
var quick = manner{patience: 20 * time.Second}

// Check implements [engine.Source]: one cheap question for each permission, so that everything
// that is missing is reported at once (GS-PM-2), and whether the tenant offers change tracking
// (GS-PM-3).
func (s *Source) Check(ctx context.Context) ([]engine.Finding, error) {
	k := &checking{s: s}
	if _, err := s.auth.get(ctx, "", ""); err != nil {
		return k.note("sign-in", engine.LevelError, err), ctx.Err()
	}
	k.ok("sign-in", "")
	for _, step := range []func(context.Context) error{k.users, k.groups, k.bin, k.assignments} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				return k.found, context.Cause(ctx)
			}
			return k.note("endpoint", engine.LevelError, err), nil // nothing else can be asked
		}
	}
	return k.found, nil
}

// checking is one connection test.
type checking struct {
	s     *Source
	found []engine.Finding
}

func (k *checking) ok(name, detail string) {
	k.found = append(k.found, engine.Finding{Name: name, Level: engine.LevelOK, Detail: detail})
}

func (k *checking) note(name string, level engine.Level, err error) []engine.Finding {
	f := engine.Finding{Name: name, Level: level, Detail: err.Error()}
	if se, ok := errors.AsType[*engine.SourceError](err); ok {
		f.Code, f.Detail = se.Code, cmp.Or(se.Message, f.Detail)
	}
	k.found = append(k.found, f)
	return k.found
}

// ask puts one question. An error means that no further question makes sense.
func (k *checking) ask(ctx context.Context, name, path, query, permission string) (bool, error) {
	err := k.try(ctx, path, query, permission)
	return err == nil, k.grade(name, err)
}

func (k *checking) try(ctx context.Context, path, query, permission string) error {
	return k.list(ctx, call{place: atStart, template: path, permission: permission, asks: query, url: k.s.at(path, query), manner: quick})
}

func (k *checking) list(ctx context.Context, c call) error {
	return k.s.fetch(ctx, c, func(a *answer) error {
		_, err := k.s.readList(a)
		return err
	})
}

// grade notes the answer to a question.
func (k *checking) grade(name string, err error) error {
	var se *engine.SourceError
	switch {
	case err == nil:
		k.ok(name, "")
	case errors.As(err, &se) && se.Transient && se.Status != 0:
		k.note(name, engine.LevelWarn, err) // throttled or busy: says nothing about the permission
	case errors.As(err, &se) && (se.Code == engine.CodeSourceForbidden || se.Code == engine.CodeSourceQuery ||
		se.Code == engine.CodeSourceLicense || se.Code == engine.CodeSourceApplication):
		k.note(name, engine.LevelError, err)
	default:
		return err
	}
	return nil
}

func (k *checking) users(ctx context.Context) error {
	readable, err := k.ask(ctx, "read users", "users", "$top=1&$select=id", "User.Read.All")
	if err != nil || !readable {
		return err
	}
	return k.tracking(ctx, "users", k.s.users, alwaysUsers, "User.Read.All")
}

func (k *checking) groups(ctx context.Context) error {
	before := len(k.found)
	readable, err := k.ask(ctx, "read groups", "groups", "$top=1&$select=id", "GroupMember.Read.All")
	if err == nil && readable {
		err = k.tracking(ctx, "groups", k.s.groups, alwaysGroups, "GroupMember.Read.All (Group.Read.All for attributes beyond the basic ones)")
	}
	if !k.s.cfg.groups() {
		for i := range k.found[before:] { // groups are not read then
			if f := &k.found[before+i]; f.Level == engine.LevelError {
				f.Level = engine.LevelInfo
			}
		}
	}
	return err
}

// tracking asks for a delta link with all that the feed selects, and when that is refused finds out
// whether the attributes are to blame or the tenant (GS-PM-3, GS-EX-1).
func (k *checking) tracking(ctx context.Context, kind string, sel selection, always []string, permission string) error {
	path, name := kind+"/delta", "changes of "+kind
	err := k.try(ctx, path, "$deltatoken=latest&$select="+sel.delta, permission)
	var se *engine.SourceError
	if !errors.As(err, &se) || se.Code != engine.CodeSourceQuery {
		return k.grade(name, err)
	}
	if bare := k.try(ctx, path, "$deltatoken=latest&$select=id", permission); bare != nil {
		if errors.As(bare, &se) && se.Code == engine.CodeSourceQuery {
			k.note(name, engine.LevelError, &engine.SourceError{Code: engine.CodeSourceDelta,
				Message: "this tenant offers no change tracking (B2C and external tenants do not); it cannot be a source"})
			return nil
		}
		return k.grade(name, bare)
	}
	var unknown []string
	for attribute := range strings.SplitSeq(sel.plain, ",") {
		if slices.Contains(always, attribute) {
			continue
		}
		err := k.try(ctx, kind, "$top=1&$select="+attribute, permission)
		if errors.As(err, &se) && se.Code == engine.CodeSourceQuery {
			unknown = append(unknown, attribute)
		} else if err != nil {
			return k.grade(name, err)
		}
	}
	detail := "Graph refuses the selected attributes together: " + sel.delta
	if len(unknown) > 0 {
		detail = "the tenant does not know " + strings.Join(unknown, ", ") + "; correct the spelling or remove them from mappings and filters"
	}
	k.found = append(k.found, engine.Finding{Name: name, Level: engine.LevelError, Detail: detail})
	return nil
}

func (k *checking) bin(ctx context.Context) error {
	_, err := k.ask(ctx, "read deleted users", "directory/deletedItems/microsoft.graph.user", "$top=1&$select=id", "User.Read.All")
	return err
}

func (k *checking) assignments(ctx context.Context) error {
	if !k.s.cfg.assignments() {
		return nil
	}
	app, err := k.s.application(ctx, quick)
	if err != nil {
		return k.grade("read the application", err)
	}
	k.ok("read the application", fmt.Sprintf("%d app roles", len(app.roles)))
	if !app.enabled {
		k.found = append(k.found, engine.Finding{Name: "application", Level: engine.LevelWarn,
			Detail: "sign-in to the application is switched off in the directory; its assignments are provisioned all the same"})
	}
	if !app.required && k.s.cfg.Scope == engine.ScopeAssigned {
		k.found = append(k.found, engine.Finding{Name: "application", Level: engine.LevelInfo,
			Detail: "the application lets people sign in without an assignment; only assigned ones are provisioned"})
	}
	c := call{place: atStart, template: "servicePrincipals/{id}/appRoleAssignedTo", permission: "Application.Read.All",
		url: k.s.at("servicePrincipals/"+app.id+"/appRoleAssignedTo", "$top=1"), manner: quick}
	return k.grade("read assignments", k.list(ctx, c))
}
