package decide

import "github.com/scimsync/scimsync/engine"

// Rule is one row of the decision tables in words.
type Rule struct {
	ID   engine.Rule
	Text string
}

// Rules lists the rows of provisioning.md section 11 that operations name, in the order of the
// tables.
func Rules() []Rule {
	return []Rule{
		{"U1", "assigned and active, no account matches: create"},
		{"U2", "assigned and active, one account matches: link it and bring it up to date"},
		{"U3", "assigned and active, one inactive account matches: link it, enable it and bring it up to date"},
		{"U4", "several accounts match: failure, nothing is written"},
		{"U5", "the matching account is linked to another user: failure, nothing is written"},
		{"U6", "assigned but blocked or deleted in the source, no link: nothing is created or touched"},
		{"U7", "fails the scoping filter, no link: skipped"},
		{"U8", "no value to match by: skipped"},
		{"U9", "a required attribute has no value, or a mapping fails: failure, nothing is written"},
		{"U9b", "not assigned, no link: skipped"},
		{"U10", "no longer assigned, or without the role that counts: disable and release the link; or what onOutOfScope says, and the link is suspended while the account waits to be deleted"},
		{"U15", "sign-in blocked: disable, or what onBlocked says; the link is suspended, or released if it is out of scope as well"},
		{"U16", "sign-in allowed again: enable and bring up to date"},
		{"U17", "soft-deleted in the source: disable, then rename as the source did, the link is suspended; or what onRecycled says"},
		{"U18", "restored in the source: name back, enable and bring up to date"},
		{"U19", "restored in the source but no longer assigned: name back, stays inactive"},
		{"U20", "restored in the source but sign-in blocked: name back, stays inactive"},
		{"U21", "deleted for good in the source: delete, but not before the date that it got when it left the scope or was blocked"},
		{"U22", "deleted for good after it was released: nothing, not managed any more"},
		{"U22b", "changed after it was released, and still out of scope or disabled: nothing, not managed any more"},
		{"U23", "gone from the source without having been seen in the recycle bin: delete, once that is sure"},
		{"U24", "a matching value changed: rename the linked account"},
		{"U25", "a mapped attribute changed: update"},
		{"U26", "nothing that is mapped changed: no request"},
		{"U29", "no longer passes the scoping filter: disable and release the link; or what onOutOfScope says, and the link is suspended while the account waits to be deleted"},
		{"U30", "back in scope: the known account is enabled and brought up to date"},
		{"U33", "the linked account is gone from the target: match again, else create; not for the third time in 7 days"},
		{"G1", "assigned group, no match: create it without members, then add them"},
		{"G2", "assigned group, one match: link it and bring it up to date"},
		{"G3", "group renamed: rename the linked group"},
		{"G4", "members added: add them to the linked group"},
		{"G5", "members that are not provisioned: the group goes without them for now"},
		{"G6", "members removed: remove them from the linked group"},
		{"G7", "group no longer assigned: delete; or what onGroupOutOfScope says"},
		{"G8", "group deleted for good in the source: delete, but not before the date that it got when it left the scope or was blocked"},
		{"G9", "group soft-deleted in the source: as no longer assigned"},
		{"G10", "the linked group is gone from the target: match again, else create"},
		{"G11", "group without a value to match by: skipped, its members stay in scope"},
		{"G12", "the matching group is linked to another group: failure"},
		{"G13", "groups are not provisioned by this job"},
		{"G14", "group fails the scoping filter"},
		{"G15", "group not assigned or not security-enabled: no object, no expansion"},
		{"G16", "group left alone: deleting is switched off, or it was released earlier"},
	}
}
