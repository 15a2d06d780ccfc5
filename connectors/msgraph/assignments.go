package msgraph

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/engine"
)

// zeroRole is the default access role: assigned without a specific one (GS-AS-4).
const zeroRole = "00000000-0000-0000-0000-000000000000"

// assignmentPage is how many assignments one page of the feed has.
const assignmentPage = 1000

// An application is the service principal whose assignments define the scope.
type application struct {
	id       string
	enabled  bool
	required bool // appRoleAssignmentRequired
	roles    map[string]role
}

type role struct {
	value, name string
	enabled     bool
}

// assignments reads who is assigned, whole: the list has no delta (GS-AS-8), and half a list must
// not be taken for all. It is read to its end before the first page goes out, so that a round that
// is interrupted starts again.
func (s *Source) assignments(ctx context.Context, yield func(engine.Page, error) bool) error {
	if !s.cfg.assignments() {
		yield(engine.Page{Done: true}, nil)
		return nil
	}
	app, err := s.application(ctx, manner{})
	if err != nil {
		return err
	}
	all, err := s.assigned(ctx, app, manner{}, nil)
	if err != nil {
		return err
	}
	for len(all) > assignmentPage {
		if !yield(engine.Page{Assignments: all[:assignmentPage]}, nil) {
			return nil
		}
		all = all[assignmentPage:]
	}
	yield(engine.Page{Assignments: all, Done: true}, nil)
	return nil
}

// application reads the service principal (R4).
func (s *Source) application(ctx context.Context, m manner) (application, error) {
	path, template := "servicePrincipals/"+url.PathEscape(s.cfg.ServicePrincipalID), "servicePrincipals/{id}"
	if s.cfg.AppID != "" {
		path, template = "servicePrincipals(appId='"+url.PathEscape(s.cfg.AppID)+"')", "servicePrincipals(appId={id})"
	}
	var app application
	err := s.fetch(ctx, call{place: atApplication, template: template, permission: "Application.Read.All", manner: m,
		url: s.at(path, "$select=id,appId,displayName,accountEnabled,appRoles,appRoleAssignmentRequired")}, func(a *answer) error {
		o, err := readObject(a)
		if err != nil {
			return err
		}
		app = application{id: identity(o), enabled: o["accountEnabled"] != false, required: o["appRoleAssignmentRequired"] == true, roles: map[string]role{}}
		roles, ok := o["appRoles"].([]any)
		if !ok && o["appRoles"] != nil {
			return &damaged{"the application has roles that are no list"}
		}
		for _, r := range roles {
			m, _ := r.(map[string]any)
			value, _ := m["value"].(string)
			name, _ := m["displayName"].(string)
			app.roles[identity(m)] = role{value: value, name: name, enabled: m["isEnabled"] != false}
		}
		return nil
	})
	return app, err
}

// errDiffers says that one assignment was told twice with different content.
var errDiffers = errors.New("one assignment was told in two ways")

// assigned reads the assignments (R5), a second time if the first read contradicts itself (GS-AS-7). more, if
// it is set, is asked before another page is read; the list ends early where it says no.
func (s *Source) assigned(ctx context.Context, app application, m manner, more func() bool) ([]engine.Assignment, error) {
	all, err := s.readAssigned(ctx, app, m, more)
	if errors.Is(err, errDiffers) {
		all, err = s.readAssigned(ctx, app, m, more)
	}
	if errors.Is(err, errDiffers) {
		return nil, &engine.SourceError{Code: engine.CodeSourcePage, Transient: true,
			Message: "the list of assignments contradicts itself; it was not used, the next cycle reads it again"}
	}
	return all, err
}

func (s *Source) readAssigned(ctx context.Context, app application, m manner, more func() bool) ([]engine.Assignment, error) {
	// $top=999 and no $filter: a read of default size has been seen to leave entries out, and a
	// filter with $top to end after one page.
	c := call{place: atApplication, template: "servicePrincipals/{id}/appRoleAssignedTo", permission: "Application.Read.All", manner: m,
		url: s.at("servicePrincipals/"+url.PathEscape(app.id)+"/appRoleAssignedTo", "$top=999")}
	seen := map[string]engine.Assignment{}
	var order []string
	ignored := 0
	differs := false
	err := s.pages(ctx, c, more, func(item map[string]any) error {
		a, ok := app.assignment(item)
		if !ok {
			ignored++
			return nil
		}
		was, again := seen[a.ID]
		differs = differs || again && was != a
		if !again {
			order = append(order, a.ID)
		}
		seen[a.ID] = a
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case differs:
		return nil, errDiffers
	}
	slices.Sort(order)
	all := make([]engine.Assignment, 0, len(order))
	for _, id := range order {
		all = append(all, seen[id])
	}
	s.log.Debug("assignments read", zap.Int("count", len(all)), zap.Int("ignored", ignored))
	return all, nil
}

// assignment is one item of the list. It reports false for principals that are not provisioned:
// an assignment to a service principal is an app permission (GS-AS-1).
func (app application) assignment(item map[string]any) (engine.Assignment, bool) {
	id, _ := item["id"].(string) // case counts in ids of assignments
	principal, _ := item["principalId"].(string)
	kind, _ := item["principalType"].(string)
	roleID, _ := item["appRoleId"].(string)
	a := engine.Assignment{ID: id, RoleID: strings.ToLower(roleID), Principal: engine.Ref{ID: strings.ToLower(principal)}}
	switch {
	case principal == "":
		return a, false
	case strings.EqualFold(kind, "User"):
		a.Principal.Kind = engine.User
	case strings.EqualFold(kind, "Group"):
		a.Principal.Kind = engine.Group
	default:
		return a, false
	}
	r, known := app.roles[a.RoleID]
	a.RoleValue, a.RoleName = r.value, r.name
	a.Effective = a.RoleID == zeroRole || known && r.enabled
	return a, true
}
