package scimtest

import "time"

// Options say what a sandbox is from its start on. The zero value is a well-behaved application at
// /scim/v2 that accepts both PATCH dialects and any caller.
type Options struct {
	// BasePath is where the SCIM endpoints are mounted. Default "/scim/v2"; "/" mounts at the root.
	BasePath string
	// Seed makes the ids of resources. The same seed and the same order of creates give the same ids.
	Seed uint64
	// Now is the clock of meta.created, rate limits and delays of visibility. Default [time.Now].
	Now func() time.Time
	// LogSize is how many requests the log keeps, the newest ones. Default 1,000.
	LogSize int
	// LogBodies keeps headers and bodies in the log too.
	LogBodies bool
	// Extensions adds schemas of string attributes to User: URN to attribute names.
	Extensions map[string][]string
	// Quirks are the habits at the start; see [Server.SetQuirks].
	Quirks
}

// Quirks are habits of servers, good and bad. The zero value has none of the bad ones. They may be
// changed while requests are under way: a request follows the quirks of the moment it arrived.
type Quirks struct {
	// --- access and transport

	// BulkOps offers /Bulk with at most so many operations a request. 0: no bulk.
	BulkOps int `json:"bulkOps,omitempty"`
	// RequireToken is the bearer token every SCIM request must carry; empty: none is asked for.
	RequireToken string `json:"-"`
	// RateLimit is how many requests a second are served; the rest gets 429. 0: no limit.
	RateLimit int `json:"rateLimit,omitempty"`
	// RetryAfter is the Retry-After of a 429, verbatim. Empty: seconds to the next window; "-": none.
	RetryAfter string `json:"retryAfter,omitempty"`
	// Latency delays every answer; the request is applied first.
	Latency time.Duration `json:"latency,omitempty"`
	// SlowCreate delays the answer of a POST after it was applied.
	SlowCreate time.Duration `json:"slowCreate,omitempty"`
	// CutCreate cuts the connection of every POST after it was applied.
	CutCreate bool `json:"cutCreate,omitempty"`
	// HTMLErrors sends errors as a web page, as a proxy in front of the application would.
	HTMLErrors bool `json:"htmlErrors,omitempty"`
	// PlainContentType answers application/json instead of application/scim+json.
	PlainContentType bool `json:"plainContentType,omitempty"`
	// PatchStatus refuses every PATCH with this status, for example 405 or 501.
	PatchStatus int `json:"patchStatus,omitempty"`
	// GroupPatchStatus refuses every PATCH of a group with this status.
	GroupPatchStatus int `json:"groupPatchStatus,omitempty"`
	// PutStatus refuses every PUT with this status.
	PutStatus int `json:"putStatus,omitempty"`
	// DeleteStatus refuses every DELETE with this status.
	DeleteStatus int `json:"deleteStatus,omitempty"`
	// GroupsStatus refuses everything under /Groups with this status, for example 404.
	GroupsStatus int `json:"groupsStatus,omitempty"`
	// DiscoveryStatus answers ServiceProviderConfig, Schemas and ResourceTypes with this status.
	DiscoveryStatus int `json:"discoveryStatus,omitempty"`
	// PluralConfig serves /ServiceProviderConfigs instead of the singular.
	PluralConfig bool `json:"pluralConfig,omitempty"`
	// MediaTypeStatus refuses bodies that are not application/json with this status, for example 415.
	MediaTypeStatus int `json:"mediaTypeStatus,omitempty"`

	// --- accepting writes

	// Strict accepts what RFC 7644 defines and nothing of Entra's dialect: lower-case op, JSON
	// booleans, no dotted keys in path-less values, objects for managers, and noTarget where a value
	// filter selects nothing. A remove of "members" then removes all, whatever its value says.
	Strict bool `json:"strict,omitempty"`
	// OpCaseStrict refuses "Add", "Replace" and "Remove" with 400 invalidSyntax.
	OpCaseStrict bool `json:"opCaseStrict,omitempty"`
	// NoTargetStrict refuses an add or replace through a value filter that selects nothing.
	NoTargetStrict bool `json:"noTargetStrict,omitempty"`
	// ActiveStringRefused refuses "True" and "False" for active with 400 invalidValue.
	ActiveStringRefused bool `json:"activeStringRefused,omitempty"`
	// ActiveBoolRefused refuses JSON booleans for active in PATCH: only text is taken.
	ActiveBoolRefused bool `json:"activeBoolRefused,omitempty"`
	// AddActiveRefused refuses the operation add for active.
	AddActiveRefused bool `json:"addActiveRefused,omitempty"`
	// ValuePathRefused refuses every path with a value filter with 400 invalidPath.
	ValuePathRefused bool `json:"valuePathRefused,omitempty"`
	// PathlessRefused refuses operations without path with 400 invalidPath.
	PathlessRefused bool `json:"pathlessRefused,omitempty"`
	// DottedKeysLiteral stores dotted keys of path-less values under just that name.
	DottedKeysLiteral bool `json:"dottedKeysLiteral,omitempty"`
	// ManagerStringRefused refuses a manager that is a bare string.
	ManagerStringRefused bool `json:"managerStringRefused,omitempty"`
	// ManagerObjectRefused refuses a manager that is an object.
	ManagerObjectRefused bool `json:"managerObjectRefused,omitempty"`
	// Immutable names attributes that can't change after the create: 400 mutability.
	Immutable []string `json:"immutable,omitempty"`
	// Refused names attributes no write may carry: 400 invalidValue.
	Refused []string `json:"refused,omitempty"`
	// OneOperation refuses a PATCH with more than one operation.
	OneOperation bool `json:"oneOperation,omitempty"`
	// MemberBatchLimit answers 413 to a PATCH with more membership changes. 0: no limit.
	MemberBatchLimit int `json:"memberBatchLimit,omitempty"`
	// RejectUnknownMember is the status that answers a whole batch with one unknown member, for
	// example 400, 404 or 500. 0: unknown members are stored.
	RejectUnknownMember int `json:"rejectUnknownMember,omitempty"`
	// RemoveByValueRefused refuses a remove of members with a list of values.
	RemoveByValueRefused bool `json:"removeByValueRefused,omitempty"`
	// RemoveByFilterRefused refuses a remove of members through a value filter.
	RemoveByFilterRefused bool `json:"removeByFilterRefused,omitempty"`
	// UniqueGroupNames refuses a second group of the same displayName with 409.
	UniqueGroupNames bool `json:"uniqueGroupNames,omitempty"`
	// UniqueExternalID refuses a second resource of the same externalId with 409.
	UniqueExternalID bool `json:"uniqueExternalId,omitempty"`
	// ConflictStatus is the status of a uniqueness refusal. Default 409 with scimType uniqueness; 500
	// says "unique constraint" as a database would; 409 without body is ConflictBare.
	ConflictStatus int `json:"conflictStatus,omitempty"`
	// ConflictBare sends uniqueness refusals without a body.
	ConflictBare bool `json:"conflictBare,omitempty"`
	// UpsertOnCreate answers the create of a taken userName with 200 and the updated old resource.
	UpsertOnCreate bool `json:"upsertOnCreate,omitempty"`

	// --- what writes do

	// IgnoreActive accepts changes of active and keeps it as it is.
	IgnoreActive bool `json:"ignoreActive,omitempty"`
	// MaskOnDisable changes userName and e-mails while a user is not active.
	MaskOnDisable bool `json:"maskOnDisable,omitempty"`
	// DropMembershipOnDisable takes a user out of all groups when active becomes false.
	DropMembershipOnDisable bool `json:"dropMembershipOnDisable,omitempty"`
	// GoneOnDisable answers 404 for a user that is not active, by id and in searches.
	GoneOnDisable bool `json:"goneOnDisable,omitempty"`
	// WipeOnValueArrayRemove empties a group on any remove of "members" without a filter.
	WipeOnValueArrayRemove bool `json:"wipeOnValueArrayRemove,omitempty"`
	// IgnoreMemberRemove accepts removals of members and keeps them.
	IgnoreMemberRemove bool `json:"ignoreMemberRemove,omitempty"`
	// SingleEmail keeps one e-mail address of a user only, the last one written.
	SingleEmail bool `json:"singleEmail,omitempty"`
	// RewritePhones stores phone numbers as digits only.
	RewritePhones bool `json:"rewritePhones,omitempty"`
	// Dropped names attributes that are accepted and not stored.
	Dropped []string `json:"dropped,omitempty"`
	// PutEnables sets active on a PUT that doesn't mention it. The sandbox leaves active then absent.
	PutEnables bool `json:"putEnables,omitempty"`
	// SoftDelete keeps the userName of a deleted user taken.
	SoftDelete bool `json:"softDelete,omitempty"`

	// --- answers to writes

	// EmptyBodyOnCreate answers a create with 201 and Location only.
	EmptyBodyOnCreate bool `json:"emptyBodyOnCreate,omitempty"`
	// NoLocation leaves the Location header of a create out.
	NoLocation bool `json:"noLocation,omitempty"`
	// CreateStatus replaces the 201 of a create, for example 200 or 202.
	CreateStatus int `json:"createStatus,omitempty"`
	// UpdateStatus replaces the status of a successful PATCH or PUT, for example 202. The body stays
	// away with 202 and 204.
	UpdateStatus int `json:"updateStatus,omitempty"`
	// PatchBody answers a PATCH of a group with the resource too; 204 is the default for groups and
	// 200 with the resource for users.
	PatchBody bool `json:"patchBody,omitempty"`
	// PreImage answers a PATCH with the resource as it was before.
	PreImage bool `json:"preImage,omitempty"`

	// --- reading

	// NumericIDs makes ids JSON numbers above 2^53.
	NumericIDs bool `json:"numericIds,omitempty"`
	// NoIDInBody leaves id out of the answer to a create.
	NoIDInBody bool `json:"noIdInBody,omitempty"`
	// HideMembers never shows members in an answer.
	HideMembers bool `json:"hideMembers,omitempty"`
	// MemberReadLimit shows at most so many members. 0: all.
	MemberReadLimit int `json:"memberReadLimit,omitempty"`
	// IgnoreExcluded ignores excludedAttributes.
	IgnoreExcluded bool `json:"ignoreExcluded,omitempty"`
	// HideAttributes names attributes that are stored and never returned.
	HideAttributes []string `json:"hideAttributes,omitempty"`
	// StringBooleans returns booleans as "True" and "False".
	StringBooleans bool `json:"stringBooleans,omitempty"`
	// LowerKeys returns attribute names in lower case.
	LowerKeys bool `json:"lowerKeys,omitempty"`
	// FlatExtension returns the enterprise attributes at the top level.
	FlatExtension bool `json:"flatExtension,omitempty"`
	// ShowGroups returns the readOnly attribute groups of a user.
	ShowGroups bool `json:"showGroups,omitempty"`
	// ETags gives every resource a version and honours If-Match with 412.
	ETags bool `json:"etags,omitempty"`

	// --- searching

	// PageSize is the number of results of a page if the client doesn't ask for one. Default 100.
	PageSize int `json:"pageSize,omitempty"`
	// MaxResults caps the number of results of a page. Default 1,000.
	MaxResults int `json:"maxResults,omitempty"`
	// CaseSensitive compares userName, displayName and e-mail exactly, in filters and for uniqueness.
	CaseSensitive bool `json:"caseSensitive,omitempty"`
	// IgnoreFilter answers every search as if it had no filter.
	IgnoreFilter bool `json:"ignoreFilter,omitempty"`
	// PrefixFilter reads eq as sw.
	PrefixFilter bool `json:"prefixFilter,omitempty"`
	// Filterable names the attributes a filter may use; others get 400 invalidFilter. Empty: all.
	Filterable []string `json:"filterable,omitempty"`
	// TypedFilterRefused refuses filters with brackets.
	TypedFilterRefused bool `json:"typedFilterRefused,omitempty"`
	// Search404 answers 404 to a search without results.
	Search404 bool `json:"search404,omitempty"`
	// DisabledInvisibleInSearch leaves users that are not active out of searches.
	DisabledInvisibleInSearch bool `json:"disabledInvisibleInSearch,omitempty"`
	// VisibleAfter keeps a new resource out of searches for so long.
	VisibleAfter time.Duration `json:"visibleAfter,omitempty"`
	// TotalIsPageLength reports the length of the page as totalResults.
	TotalIsPageLength bool `json:"totalIsPageLength,omitempty"`
	// NoTotal leaves totalResults out.
	NoTotal bool `json:"noTotal,omitempty"`
	// ItemsPerPageLies reports the asked for count as itemsPerPage.
	ItemsPerPageLies bool `json:"itemsPerPageLies,omitempty"`
	// StartIndexIgnored answers every page with the first.
	StartIndexIgnored bool `json:"startIndexIgnored,omitempty"`
	// StartIndexLimit answers 400 to a greater startIndex. 0: no limit.
	StartIndexLimit int `json:"startIndexLimit,omitempty"`
	// ShortPages delivers every second page with half of its results.
	ShortPages bool `json:"shortPages,omitempty"`
	// OverlapPages repeats the last result of a page as the first of the next.
	OverlapPages bool `json:"overlapPages,omitempty"`
	// Cursor offers paging by cursor (RFC 9865) to requests with a cursor parameter.
	Cursor bool `json:"cursor,omitempty"`
	// CursorUnasked switches ordinary requests without startIndex to paging by cursor.
	CursorUnasked bool `json:"cursorUnasked,omitempty"`
	// NoResources leaves Resources out of an empty list.
	NoResources bool `json:"noResources,omitempty"`
}

const (
	defaultBasePath   = "/scim/v2"
	defaultLogSize    = 1000
	defaultPageSize   = 100
	defaultMaxResults = 1000
	maxBodyBytes      = 32 << 20
)
