package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/scimsync/scimsync/engine"
	"github.com/scimsync/scimsync/engine/decide"
)

// ModifiedProperty is one attribute that was written. Values are texts or null, whatever their type was.
type ModifiedProperty struct {
	DisplayName string  `json:"displayName"`
	OldValue    *string `json:"oldValue"`
	NewValue    *string `json:"newValue"`
}

func modified(changes []engine.LoggedChange) []ModifiedProperty {
	out := []ModifiedProperty{}
	for _, c := range changes {
		out = append(out, ModifiedProperty{c.Attribute, valueText(c.Old), valueText(c.New)})
	}
	return out
}

// valueText is a logged value as a text; lists and complex values are compact JSON.
func valueText(v any) *string {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return &v
	}
	data, err := json.Marshal(v)
	if err != nil {
		return new(fmt.Sprint(v))
	}
	return new(string(data))
}

// Party is an object or a system in the answer of provisionOnDemand.
type Party struct {
	ID          string            `json:"id"`
	Type        string            `json:"type,omitempty"`
	DisplayName string            `json:"displayName"`
	Details     map[string]string `json:"details"`
}

// OnDemandResult is the first text of the answer of provisionOnDemand (section 7).
type OnDemandResult struct {
	Result  string        `json:"result" enum:"Success,Failure,Skipped,Warning"`
	Details ResultDetails `json:"details"`
}

// ResultDetails says why it did not succeed.
type ResultDetails struct {
	ErrorCode    *string `json:"errorCode"`
	ErrorMessage *string `json:"errorMessage"`
}

// OnDemandValue is the second text.
type OnDemandValue struct {
	Action               string             `json:"action"`
	ChangeID             string             `json:"changeId"`
	StartTime            time.Time          `json:"startTime"`
	EndTime              time.Time          `json:"endTime"`
	ReportableIdentifier string             `json:"reportableIdentifier"`
	ModifiedProperties   []ModifiedProperty `json:"modifiedProperties"`
	ProvisioningSteps    []OnDemandStep     `json:"provisioningSteps"`
	StatusInfo           OnDemandStatus     `json:"statusInfo"`
	SourceIdentity       Party              `json:"sourceIdentity"`
	SourceSystem         Party              `json:"sourceSystem"`
	TargetIdentity       Party              `json:"targetIdentity"`
	TargetSystem         Party              `json:"targetSystem"`
	DryRun               bool               `json:"dryRun,omitzero"`
	Members              []OnDemandValue    `json:"members,omitempty"`
}

// OnDemandStep is a step with its facts as texts.
type OnDemandStep struct {
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Status      string            `json:"status"`
	Description string            `json:"description"`
	Timestamp   time.Time         `json:"timestamp"`
	Details     map[string]string `json:"details"`
}

// OnDemandStatus is the flat status of the answer.
type OnDemandStatus struct {
	Status            string  `json:"status"`
	ErrorCode         *string `json:"errorCode"`
	Reason            *string `json:"reason"`
	AdditionalDetails *string `json:"additionalDetails"`
	ErrorCategory     *string `json:"errorCategory"`
	RecommendedAction *string `json:"recommendedAction"`
}

// pascal is a status as provisionOnDemand spells it.
func pascal(s engine.LogStatus) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(string(s[:1])) + string(s[1:])
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// gravity orders statuses: what a person has to know first goes before the rest.
var gravity = map[engine.LogStatus]int{engine.StatusSuccess: 0, engine.StatusSkipped: 1, engine.StatusWarning: 2, engine.StatusFailure: 3}

// structured is the answer of on-demand provisioning. One subject gives one value, several give a list of them with the
// gravest result.
func structured(j Job, done []engine.Provisioned) StructuredAnswer {
	a := StructuredAnswer{Key: OnDemandResult{Result: pascal(engine.StatusSuccess)}}
	values := []OnDemandValue{}
	worst := -1
	for _, p := range done {
		v := onDemandValue(j, p)
		values = append(values, v)
		if gravity[p.Status] > worst {
			worst = gravity[p.Status]
			a.Key = OnDemandResult{Result: pascal(p.Status), Details: ResultDetails{v.StatusInfo.ErrorCode, cmp.Or(v.StatusInfo.AdditionalDetails, v.StatusInfo.Reason)}}
		}
	}
	if a.Value = any(values); len(values) == 1 {
		a.Value = values[0]
	}
	return a
}

func onDemandValue(j Job, p engine.Provisioned) OnDemandValue {
	e := p.Entry
	info := decide.ErrorInfo(e)
	v := OnDemandValue{
		Action: graphAction(e), ChangeID: changeID(e.ID), StartTime: p.StartedAt.UTC(), EndTime: p.EndedAt.UTC(),
		ReportableIdentifier: cmp.Or(p.Subject.Name, e.Source.Name, p.Subject.ID), ModifiedProperties: modified(e.Changes), ProvisioningSteps: []OnDemandStep{},
		StatusInfo:     OnDemandStatus{Status: pascal(p.Status)},
		SourceIdentity: Party{ID: cmp.Or(p.Subject.ID, e.Source.ID), Type: graphKind(p.Kind), DisplayName: cmp.Or(p.Subject.Name, e.Source.Name), Details: map[string]string{}},
		SourceSystem:   Party{ID: j.TenantID, DisplayName: j.SourceName, Details: map[string]string{}},
		TargetIdentity: Party{ID: e.Target.ID, Type: graphKind(p.Kind), DisplayName: e.Target.Name, Details: map[string]string{}},
		TargetSystem:   Party{ID: string(j.ID), DisplayName: j.TargetName, Details: map[string]string{}},
		DryRun:         p.DryRun,
	}
	if p.Status != engine.StatusSuccess {
		v.StatusInfo.ErrorCode, v.StatusInfo.Reason, v.StatusInfo.AdditionalDetails = orNull(info.ErrorCode), orNull(info.Reason), orNull(info.Details)
		v.StatusInfo.ErrorCategory, v.StatusInfo.RecommendedAction = orNull(pascal(engine.LogStatus(info.Category))), orNull(info.RecommendedAction)
	}
	for _, s := range p.Steps {
		v.ProvisioningSteps = append(v.ProvisioningSteps, OnDemandStep{
			Name: s.Name, Type: pascal(engine.LogStatus(s.Type)), Status: pascal(s.Status), Description: s.Description, Timestamp: s.At.UTC(), Details: facts(s.Details),
		})
	}
	for _, m := range p.Members {
		v.Members = append(v.Members, onDemandValue(j, m))
	}
	return v
}

// facts are the details of a step as an open map of texts. A name that comes twice keeps all its values.
func facts(ds []engine.Detail) map[string]string {
	out := map[string]string{}
	for _, d := range ds {
		if was, ok := out[d.Name]; ok {
			d.Value = was + "\n" + d.Value
		}
		out[d.Name] = d.Value
	}
	return out
}

// changeID names a change in the log; a dry run has none.
func changeID(row int64) string {
	if row == 0 {
		return ""
	}
	return fmt.Sprintf("k-%d", row)
}

// graphKind is a kind of object as Graph spells it.
func graphKind(k engine.Kind) string {
	if k == "" {
		return ""
	}
	return strings.ToUpper(string(k[:1])) + string(k[1:])
}

// graphAction is a provisioningAction (section 8). What a guard holds is a stagedDelete; enabling is an update.
func graphAction(e engine.LogEntry) string {
	switch e.Action {
	case engine.Create, engine.Update, engine.Delete, engine.Disable:
		if e.Reason == engine.AwaitingApproval || e.Reason == engine.RejectedByAdmin {
			return "stagedDelete"
		}
		return string(e.Action)
	case engine.Enable:
		return "update"
	case engine.Staged:
		return "stagedDelete"
	}
	return "other"
}
