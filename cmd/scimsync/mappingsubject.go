package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"time"

	"go.uber.org/zap"

	"github.com/scimsync/scimsync/config"
	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
	"github.com/scimsync/scimsync/mapping"
)

// subject is the object that is evaluated.
type subject struct {
	attributes mapping.Attributes
	factors    decide.Factors
}

// subject reads the object whose attributes are used; reads are the attributes that matter.
func (t *trial) subject(ctx context.Context, j config.Job, reads []string) (subject, error) {
	switch {
	case t.user != "":
		return t.lookup(ctx, j, engine.User, t.user, reads)
	case t.group != "":
		return t.lookup(ctx, j, engine.Group, t.group, reads)
	}
	src := mapping.Attributes{}
	if t.attributes != "" {
		var err error
		if src, err = t.readAttributes(); err != nil {
			return subject{}, err
		}
	}
	if _, given := src[mapping.IsSoftDeleted]; !given {
		src[mapping.IsSoftDeleted] = false
	}
	return t.judge(j, engine.Object{Ref: engine.Ref{Kind: t.kindOf()}, State: engine.Active, Attributes: src, Conveys: true}, src), nil
}

func (t *trial) kindOf() engine.Kind {
	if t.kind == kindGroups {
		return engine.Group
	}
	return engine.User
}

// judge applies the filters of the job. Assignments are not known here; the object counts as assigned.
func (t *trial) judge(j config.Job, o engine.Object, src mapping.Attributes) subject {
	job := engine.Job{Scope: engine.ScopeAll, Options: options(j)}
	return subject{src, decide.Judge(&job, o, nil, t.object(&j).Filter.Evaluate(src))}
}

// readAttributes reads a JSON object. Its names are those of the source or those of mappings.
func (t *trial) readAttributes() (mapping.Attributes, error) {
	var data []byte
	var err error
	if t.attributes == "-" {
		data, err = io.ReadAll(t.in)
	} else {
		data, err = os.ReadFile(t.attributes)
	}
	if err != nil {
		return nil, refuse("--attributes: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	src := mapping.Attributes{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // so that 42 stays a whole number, however long
	err = d.Decode(&src)
	if err == nil && src == nil {
		err = errors.New("it holds null")
	}
	if err == nil && d.More() {
		err = fmt.Errorf("line %d: there is more after the object", 1+bytes.Count(data[:d.InputOffset()], []byte("\n")))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		err = fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(e.Offset), len(data))], []byte("\n")), err)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = errors.New("it holds a JSON " + e.Value)
	}
	if err != nil {
		return nil, refuse(`--attributes %s: not a JSON object: %v; write {"userPrincipalName": "…", "department": "…"}`, t.attributes, err)
	}
	return src, nil
}

// objectID is how Microsoft Graph identifies objects.
var objectID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// elsewhere are attributes that the source does not tell about a single object.
var elsewhere = map[string]string{
	mapping.AppRoleAssignments: `{"appRoleAssignments": [{"id": "…", "value": "…", "displayName": "…"}]}`,
	"manager":                  `{"manager": "id"}`,
	"members":                  `{"members": ["id"]}`,
}

// lookupLimit is how long the source may take to tell about one object.
const lookupLimit = 30 * time.Second

// lookup reads an object from the source of the job.
func (t *trial) lookup(ctx context.Context, j config.Job, k engine.Kind, id string, reads []string) (subject, error) {
	if j.Source.Type == "msgraph" && !objectID.MatchString(id) {
		return subject{}, refuse("--%s %s: the directory is asked by object id, such as 8c0a6d1e-5d0c-4c5e-9f39-1f6f2f0b6f11; copy it from the %s's page", k, id, k)
	}
	source, err := newSource(j, zap.NewNop())
	if err != nil {
		return subject{}, err
	}
	// A cycle is patient with a source that is down; somebody who waits for an answer is not.
	ctx, stop := context.WithTimeout(ctx, lookupLimit)
	defer stop()
	found, err := source.Lookup(ctx, k, []string{id})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s; test the connection with `scimsync check`", lookupLimit)
	}
	if err != nil {
		return subject{}, &exitError{exitConnection, fmt.Errorf("read %s %s from the source of job %s: %w", k, id, j.ID, err)}
	}
	if len(found) == 0 || found[0].State == engine.HardDeleted {
		return subject{}, refuse("--%s %s: the source of job %s has no %s with this id", k, id, j.ID, k)
	}
	o := found[0]
	src := make(mapping.Attributes, len(o.Attributes)+2)
	maps.Copy(src, o.Attributes)
	src["id"] = o.ID
	for _, name := range reads {
		if form, ok := elsewhere[name]; ok {
			t.note("%s is empty here: it is not read for a single %s; write %s into a file for --attributes", name, k, form)
		}
	}
	s := t.judge(j, o, src)
	src[mapping.IsSoftDeleted] = s.factors.SoftDeleted(o.State)
	return s, nil
}
