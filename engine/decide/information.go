package decide

import (
	"github.com/scimsync/scimsync/engine"
)

// Category sorts what happened by whose matter it is, in the words of Entra's log.
type Category string

const (
	CategorySuccess    Category = "success"           // nothing is wrong: done, or nothing had to be done
	CategoryNonService Category = "nonServiceFailure" // data, mapping, permissions: somebody has to change something
	CategoryFailure    Category = "failure"           // a service failed; trying again may help
)

// Information is what a log row means, in the words of Entra's errorInformation (sections 16.3 and 22).
type Information struct {
	// ErrorCode is Entra's word, or ours where Entra has none; "" for what went well.
	ErrorCode string
	// Reason is what that means.
	Reason string
	// Details is what was said about this very object; it may name people.
	Details  string
	Category Category
	// RecommendedAction is what to do about it; "" when there is nothing to do.
	RecommendedAction string
}

// meaning is what a code or a reason for skipping stands for.
type meaning struct {
	entra    string
	reason   string
	category Category
	action   string
}

const (
	unresolved   = "UnableToResolveReferenceAttributeValue"
	skipped      = "EntrySynchronizationSkipped"
	notEntitled  = "NotEffectivelyEntitled"
	incompatible = "SystemForCrossDomainIdentityManagementServiceIncompatible"
	retried      = "Nothing: it is tried again by itself, at first with every cycle, then less often."
)

// ErrorInfo tells what a log row means and what to do about it.
func ErrorInfo(e engine.LogEntry) Information {
	m, known := meaning{category: CategorySuccess}, true
	switch {
	case e.Code != "":
		m, known = codes[e.Code]
	case e.Rule == "G5":
		m = meaning{unresolved, "Members of the group are not provisioned, so the group goes without them for now.", CategoryNonService,
			"Nothing if they are not meant to be provisioned. Else assign them: they are added as soon as they are provisioned."}
	case e.Status == engine.StatusSkipped || e.Action == engine.Skip || e.Action == engine.Nothing || e.Action == engine.Staged:
		m, known = skips[e.Reason]
	case e.Status == engine.StatusFailure:
		known = false
	case e.Status == engine.StatusWarning:
		m.reason, m.action = "It was done, save for a part that the target refused.", "Look at the details."
	}
	if !known {
		m = meaning{string(e.Code), "It failed for a reason that has no name here.", CategoryFailure, retried + " If it stays, look at the details."}
		if e.Code == "" && e.Status != engine.StatusFailure {
			m = meaning{skipped, "Nothing was written.", CategorySuccess, ""}
		}
	}
	return Information{ErrorCode: m.entra, Reason: m.reason, Details: e.Detail, Category: m.category, RecommendedAction: m.action}
}

// codes says what every error code means.
var codes = map[engine.Code]meaning{
	engine.CodeConflict: {"Conflict", "A value that has to be unique is in use by another object of the target.", CategoryNonService,
		"Find the other object by the value in the details, and change or remove it, or match by the attribute that clashes."},
	engine.CodeDuplicateTarget: {"DuplicateTargetEntries", "Several objects of the target match.", CategoryNonService,
		"Remove the surplus objects, or match by an attribute that tells them apart."},
	engine.CodeDuplicateSource: {"DuplicateSourceEntries", "The matching object of the target is linked to another source object.", CategoryNonService,
		"Correct the matching value of one of the two, or take one of them out of scope. If the link is wrong, remove it."},
	engine.CodeMultipleInRead: {"SystemForCrossDomainIdentityManagementMultipleEntriesInResponse", "The target answered with several objects where one was asked for.", CategoryNonService,
		"Tell the vendor of the target: reading an object by its id must give that object."},
	engine.CodeBadResponse: {incompatible, "The answer of the target makes no sense as SCIM.", CategoryNonService,
		"Check the tenant URL. If it is right, tell the vendor of the target, with the details."},
	engine.CodeGone: {"InvalidAnchor", "The linked object is gone from the target.", CategoryNonService,
		"Find out who deleted it. To have it created anew, remove its link, or restart the job with links cleared."},
	engine.CodeSubjectMissing: {string(engine.CodeSubjectMissing), "The source has nobody of this name.", CategoryNonService,
		"Check the spelling. Who was deleted for good is found by id only."},
	engine.CodeSubjectAmbiguous: {string(engine.CodeSubjectAmbiguous), "Several objects of the source have this name.", CategoryNonService,
		"Name one of them by its id."},
	engine.CodeUnresolved: {unresolved, "The reference leads to an object that is not provisioned.", CategoryNonService,
		"Provision that object, or assign it if it is out of scope: the reference is written as soon as it is provisioned."},
	engine.CodeThrottled:   {"TooManyRequests", "The target asked for fewer requests.", CategoryFailure, retried + " If it is frequent, set a rate for the target."},
	engine.CodeServerError: {"InternalServerError", "The target failed.", CategoryFailure, retried + " If it stays, ask the vendor of the target."},
	engine.CodeTimeout:     {"Timeout", "The target did not answer in time.", CategoryFailure, retried},
	engine.CodeTransport:   {"WebExceptionProtocolError", "The connection to the target broke.", CategoryFailure, retried + " If it stays, check network, proxy and certificates."},
	engine.CodeCredentials: {"Unauthorized", "The target refused the credentials.", CategoryNonService,
		"Set credentials that are valid, and test the connection."},
	engine.CodeForbidden: {"InsufficientRights", "The credentials do not allow this.", CategoryNonService,
		"Give the account or token that the job uses the right to do it. Administrators of the target are often exempt from provisioning."},
	engine.CodeMethodNotAllowed: {"MethodNotAllowed", "The target does not allow this kind of request here.", CategoryNonService,
		"Check the tenant URL, and whether the target supports the operation; if not, remove it from the actions of the mapping."},
	engine.CodeUnprocessable: {"UnprocessableEntity", "The target refused the values.", CategoryNonService,
		"Correct the value in the source, or the mapping; the details have what the target said."},
	engine.CodeNotImplemented: {"NotImplemented", "The target does not know this operation.", CategoryNonService,
		"Remove the operation from the actions of the mapping, or what the request is about from the mapping."},
	engine.CodeRequiredMissing: {"MandatoryFieldsMissing", "An attribute that the target requires has no value.", CategoryNonService,
		"Fill the attribute in the source, or give its mapping a default."},
	engine.CodeSchemaAttribute: {"SchemaAttributeNotFound", "The target does not know an attribute of the mapping.", CategoryNonService,
		"Remove the attribute from the mapping, or correct its name."},
	engine.CodeSingleValueOnly: {"SchemaPropertyCanOnlyAcceptValue", "Several values were given for an attribute that takes one.", CategoryNonService,
		"Map it with an expression that chooses one value."},
	engine.CodeLicenseLimit: {"LicenseLimitExceeded", "The target has no licence left.", CategoryNonService,
		"Free licences or buy more, then retry."},
	engine.CodeInvalidDomain: {"InvalidDomain", "A value has a domain that the target does not allow.", CategoryNonService,
		"Verify the domain at the target, or map another attribute."},
	engine.CodeFilterUnsupported: {incompatible, "The target cannot search by a matching attribute.", CategoryNonService,
		"Match by an attribute that the target can search by; many can only by userName and displayName."},
	engine.CodeFilterIgnored: {incompatible, "The target ignored the filter of a search and answered with other objects.", CategoryNonService,
		"Match by another attribute, and tell the vendor of the target."},
	engine.CodePaginationBroken: {incompatible, "The pages of the target's answer do not fit together.", CategoryNonService,
		"Tell the vendor of the target, with the details."},
	engine.CodeNotApplied: {incompatible, "The target said yes, and yet the object is not as it should be.", CategoryNonService,
		"Tell the vendor of the target, with the details. If an attribute is computed there, remove it from the mapping."},
	engine.CodeMembersWiped: {incompatible, "A change of the group made the target lose members.", CategoryNonService,
		"Tell the vendor of the target, and restart the job to have the members added again."},
	engine.CodeMapping: {"EntrySynchronizationError", "A mapping cannot be computed for this object.", CategoryNonService,
		"Correct the expression, or the value in the source that it fails on; try it with `scimsync mapping`."},

	engine.CodeSourceUnauthorized: {string(engine.CodeSourceUnauthorized), "The source refused the credentials.", CategoryNonService,
		"Renew the secret or certificate of the app registration, and test the connection."},
	engine.CodeSourceForbidden: {string(engine.CodeSourceForbidden), "The source does not allow what the job has to read.", CategoryNonService,
		"Grant the missing permission and consent to it; the connection test names it."},
	engine.CodeSourceLicense: {string(engine.CodeSourceLicense), "The tenant has no licence for what the job reads.", CategoryNonService,
		"Assign users instead of groups, or get the edition that has it."},
	engine.CodeSourceQuery: {string(engine.CodeSourceQuery), "The source refused the query.", CategoryNonService,
		"Remove attributes that the source does not know from mapping and filters."},
	engine.CodeSourceApplication: {string(engine.CodeSourceApplication), "The application whose assignments decide is not there.", CategoryNonService,
		"Correct servicePrincipalId or appId."},
	engine.CodeSourcePage: {string(engine.CodeSourcePage), "A page of the source makes no sense.", CategoryFailure, retried},
	engine.CodeSourceForeignLink: {string(engine.CodeSourceForeignLink), "The source led to an address that is not its own.", CategoryNonService,
		"Check endpoint, proxy and cloud; nothing was sent there."},
	engine.CodeSourceLoop:        {string(engine.CodeSourceLoop), "The pages of the source go round in a circle.", CategoryFailure, retried},
	engine.CodeSourceSuspect:     {string(engine.CodeSourceSuspect), "The source lacks so much of what it had that its answer looks cut short.", CategoryFailure, retried + " If so much was really removed, approve what is held."},
	engine.CodeSourceDelta:       {string(engine.CodeSourceDelta), "The source has no changes to tell, only complete lists.", CategoryNonService, "Check that the endpoint supports delta queries."},
	engine.CodeSourceUnavailable: {string(engine.CodeSourceUnavailable), "The source does not answer.", CategoryFailure, retried},

	engine.CodeTooManyDeletes: {string(engine.CodeTooManyDeletes), "A cycle would disable or delete more than the job allows.", CategoryNonService,
		"Look at what is held, and approve or reject it; if it was a mistake, undo it at the source."},
	engine.CodeRemovalsHeld: {string(engine.CodeRemovalsHeld), "A cycle would remove more memberships than the job allows, or empty a group.", CategoryNonService,
		"Look at what is held, and approve or reject it; if it was a mistake, undo it at the source."},
}

// skips says what every reason for not writing means.
var skips = map[engine.Reason]meaning{
	engine.NotAssigned: {notEntitled, "It is not assigned to the application.", CategorySuccess,
		"Assign the user, or a security group that the user is a direct member of, if it is to be provisioned."},
	engine.MissingRole: {notEntitled, "No assignment carries a role that counts.", CategorySuccess,
		"Assign a role of the application that is switched on; with requireRole the default access role does not count."},
	engine.FilteredOut: {notEntitled, "It does not pass the scoping filter.", CategorySuccess,
		"Change the filter, or the attribute that it looks at, if it is to be provisioned."},
	engine.InactiveInSource: {notEntitled, "The sign-in is blocked at the source.", CategorySuccess, "Allow the sign-in if it is to be provisioned."},
	engine.RecycledInSource: {notEntitled, "It is in the recycle bin of the source.", CategorySuccess, "Restore it if it is to be provisioned."},
	engine.DeletedInSource:  {notEntitled, "It was deleted at the source.", CategorySuccess, ""},
	engine.ImportSkipped: {"ImportSkipped", "It has no value to match by, so its scope does not matter.", CategoryNonService,
		"Fill the attribute that existing objects are found by, or match by another one."},
	engine.RedundantExport: {"RedundantExport", "The target already is as it should be.", CategorySuccess, ""},
	engine.CreateDisabled:  {skipped, "Creating is switched off for this kind of object.", CategorySuccess, "Add create to the actions of the mapping if it is to be created."},
	engine.UpdateDisabled: {skipped, "Updating is switched off for this kind of object, and so is disabling.", CategorySuccess,
		"Add update to the actions of the mapping if it is to be changed or disabled."},
	engine.DeleteDisabled:  {skipped, "Deleting is switched off for this kind of object.", CategorySuccess, "Add delete to the actions of the mapping, or delete it at the target by hand."},
	engine.SkipOutOfScope:  {skipped, "The job leaves those alone who leave in this way.", CategorySuccess, "Remove the account at the target by hand if it is not wanted."},
	engine.NoLongerManaged: {skipped, "It left the scope earlier and is not managed any more.", CategorySuccess, "If it is to be managed, assign it again, and allow the sign-in or restore it if it is blocked or deleted."},
	engine.AlreadyAbsent:   {skipped, "It is gone from the target already.", CategorySuccess, ""},
	engine.MissingAtTarget: {skipped, "It is not at the target.", CategorySuccess, ""},
	engine.AwaitingApproval: {skipped, "A guard holds it until somebody approves it.", CategoryNonService,
		"Approve or reject it; if it was a mistake, undo it at the source."},
	engine.Excluded:          {skipped, "An input or category filter leaves it out: it is neither provisioned nor deprovisioned.", CategorySuccess, "Change that filter if it is to be provisioned."},
	engine.UnsupportedMember: {skipped, "A member is neither a user nor a group that the target can have as a member.", CategorySuccess, ""},
	engine.LockedByOther:     {skipped, "Somebody else is working on it at this moment.", CategorySuccess, "Nothing: it stays queued."},
	engine.RejectedByAdmin: {skipped, "An administrator rejected it.", CategorySuccess,
		"Nothing: it is asked about again when the source object changes. Or approve it."},
	engine.MissingInSource: {skipped, "It was missing from a complete read of the source that looks cut short.", CategoryFailure,
		"If it was really deleted, approve it: then the source is asked about it."},
	engine.ChangedSincePlan: {skipped, "What would be done differs from the plan.", CategorySuccess, "Make a new plan."},
	engine.MappingDisabled:  {skipped, "This kind of object is not provisioned by the job.", CategorySuccess, "Enable its mapping if it is to be provisioned."},
	engine.MappingFailed:    {"EntrySynchronizationError", "A mapping cannot be computed for it.", CategoryNonService, "Correct the expression, or the value in the source that it fails on."},

	// Reasons of what is written, for rows that say why it was not.
	engine.Assigned:          {skipped, "It is assigned.", CategorySuccess, ""},
	engine.Matched:           {skipped, "It matches an object of the target.", CategorySuccess, ""},
	engine.RestoredInSource:  {skipped, "It was restored at the source.", CategorySuccess, ""},
	engine.BackInScope:       {skipped, "It is back in scope.", CategorySuccess, ""},
	engine.SignInAllowed:     {skipped, "The sign-in is allowed again.", CategorySuccess, ""},
	engine.AttributesChanged: {skipped, "Attributes changed.", CategorySuccess, ""},
	engine.Renamed:           {skipped, "It was renamed.", CategorySuccess, ""},
	engine.GraceOver:         {skipped, "It was disabled long enough to be deleted.", CategorySuccess, ""},
}
