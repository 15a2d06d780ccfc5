package graphtest

import (
	"encoding/json"
	"fmt"
	"time"
)

// Settings are the switches of the sandbox's behaviour. [DefaultSettings] has the real service's
// bad habits, [Calm] none of those that depend on chance. Rates are probabilities from 0 to 1.
type Settings struct {
	// Pages.
	UserPage        int     `json:"userPage"`        // users on a delta page, before variation
	GroupPage       int     `json:"groupPage"`       // groups on a delta page
	MemberSlice     int     `json:"memberSlice"`     // members in one members@delta
	PageVariation   float64 `json:"pageVariation"`   // page sizes vary by this share
	EmptyPageRate   float64 `json:"emptyPageRate"`   // a page without items and with a nextLink
	EmptyLastRate   float64 `json:"emptyLastRate"`   // the last page of a round holds nothing but the deltaLink
	TokenPadding    int     `json:"tokenPadding"`    // bytes added to every token
	AnnotationNoise bool    `json:"annotationNoise"` // unknown @odata annotations on items and pages

	// Delta semantics.
	FirstRoundTombstones     bool    `json:"firstRoundTombstones"`     // @removed in a full enumeration
	GhostTombstones          bool    `json:"ghostTombstones"`          // a tombstone for what came and went between two rounds
	SplitChanges             bool    `json:"splitChanges"`             // several entries for one changed object, in any order
	ReplayRate               float64 `json:"replayRate"`               // an entry of the previous round comes again
	MixedVisibility          bool    `json:"mixedVisibility"`          // later pages of a round show later values
	RestoreAlwaysVisible     bool    `json:"restoreAlwaysVisible"`     // a restore shows whatever was selected
	HardDeleteEmitsRemoval   bool    `json:"hardDeleteEmitsRemoval"`   // a hard-deleted member leaves its groups with an entry
	HideSoftDeletedMembers   bool    `json:"hideSoftDeletedMembers"`   // a full enumeration leaves out soft-deleted members and managers
	ManagerOldItem           bool    `json:"managerOldItem"`           // a manager change names the old manager as removed
	SecurityGroupSoftDelete  bool    `json:"securityGroupSoftDelete"`  // security groups go to deleted items too
	ReuseLosesChanges        bool    `json:"reuseLosesChanges"`        // a deltaLink used again misses changes
	StrictOptions            bool    `json:"strictOptions"`            // $orderby, $search and $count on a delta call: 400
	B2C                      bool    `json:"b2c"`                      // every delta call: 400
	GroupGrantsInAssignments bool    `json:"groupGrantsInAssignments"` // users/{id}/appRoleAssignments shows the grants of the user's groups
	FilterTopDropsNextLink   bool    `json:"filterTopDropsNextLink"`   // appRoleAssignedTo with $filter and $top: one page, no nextLink
	DefaultPageOmitsSome     bool    `json:"defaultPageOmitsSome"`     // appRoleAssignedTo without $top=999 lacks service principals
	IncompleteRate           float64 `json:"incompleteRate"`           // an appRoleAssignedTo read silently lacks 1 to 40 percent

	// Token life, in virtual time.
	DeltaTokenTTL   Duration `json:"deltaTokenTtl"`
	DeltaTokenGrace Duration `json:"deltaTokenGrace"` // how much longer tokens really work

	// Lags of the slow replica, in virtual time; SlowShare of the requests go there. Zero: off.
	SlowShare     float64  `json:"slowShare"`
	ObjectLag     Duration `json:"objectLag"`
	DeltaLag      Duration `json:"deltaLag"`
	MemberLag     Duration `json:"memberLag"`
	AssignmentLag Duration `json:"assignmentLag"`
	DeletedLag    Duration `json:"deletedLag"`

	// Throttling. The factor is applied to the documented quotas; zero: no throttling.
	QuotaFactor     float64         `json:"quotaFactor"`
	RetryAfterShape RetryAfterShape `json:"retryAfterShape"`
}

// RetryAfterShape is how a throttled answer says when to come back.
type RetryAfterShape string

// The shapes of Retry-After. The dates are the three forms of RFC 9110 section 5.6.7.
const (
	RetrySeconds  RetryAfterShape = "seconds"
	RetryZero     RetryAfterShape = "zero"
	RetryFraction RetryAfterShape = "fraction"
	RetryDate     RetryAfterShape = "date"
	RetryRFC850   RetryAfterShape = "rfc850"
	RetryAsctime  RetryAfterShape = "asctime"
	RetryPast     RetryAfterShape = "past"
	RetryAbsent   RetryAfterShape = "absent"
	RetryGarbage  RetryAfterShape = "garbage"
	RetryLong     RetryAfterShape = "long"
)

// DefaultSettings are the habits of the real service as documented or reported. Lags and throttling
// are off: both need a virtual clock that moves.
func DefaultSettings() Settings {
	s := Calm()
	s.PageVariation = 0.3
	s.EmptyPageRate = 0.03
	s.EmptyLastRate = 0.5
	s.FirstRoundTombstones = true
	s.GhostTombstones = true
	s.ReplayRate = 0.02
	return s
}

// Calm are settings under which nothing happens by chance: full pages, no replays, no tombstones
// but those of real deletions. The documented behaviour stays.
func Calm() Settings {
	return Settings{
		UserPage: 200, GroupPage: 100, MemberSlice: 500,
		ManagerOldItem:           true,
		GroupGrantsInAssignments: true,
		FilterTopDropsNextLink:   true,
		DefaultPageOmitsSome:     true,
		DeltaTokenTTL:            Duration(7 * 24 * time.Hour),
		RetryAfterShape:          RetrySeconds,
	}
}

// Lagging are the settings s with the lags that section 6 of the specification gives the real service.
func (s Settings) Lagging() Settings {
	s.SlowShare = 0.3
	s.ObjectLag = Duration(5 * time.Second)
	s.DeltaLag = Duration(20 * time.Second)
	s.MemberLag = Duration(10 * time.Second)
	s.AssignmentLag = Duration(45 * time.Second)
	s.DeletedLag = Duration(15 * time.Second)
	return s
}

// Duration is a time.Duration that JSON writes as "36h".
type Duration time.Duration

// MarshalJSON writes the duration in Go's notation.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads Go's notation.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf(`a duration is written as a string such as "36h": %w`, err)
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}

func (s *Settings) fill() {
	set := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	set(&s.UserPage, 200)
	set(&s.GroupPage, 100)
	set(&s.MemberSlice, 500)
	s.TokenPadding = min(max(s.TokenPadding, 0), 8000)
	if s.DeltaTokenTTL <= 0 {
		s.DeltaTokenTTL = Duration(7 * 24 * time.Hour)
	}
	if s.RetryAfterShape == "" {
		s.RetryAfterShape = RetrySeconds
	}
}
