package cycle

import (
	"fmt"

	"github.com/scimsync/scimsync/engine"
)

// The notices of a job. Their keys make each of them one message: the same quarantine tells once for each
// reason, however often it is looked at again (24).

func quarantineNotice(j engine.JobID, q *engine.Quarantine, h HeldNow) engine.Notice {
	n := engine.Notice{
		Job: j, Kind: engine.NoticeQuarantined, Key: fmt.Sprintf("quarantine:%d:%s", q.CurrentBegan.UnixMicro(), q.Reason),
		Subject: fmt.Sprintf("job %s is in quarantine: %s", j, q.Reason),
		Text: fmt.Sprintf("The job cannot work as it should: %s\n\nIt is tried again at %s, then ever more rarely, and disabled after 28 days.\n"+
			"Once the cause is mended, start it with: scimsync job start %s\n", q.Message, q.NextAttempt.UTC().Format("2006-01-02 15:04 UTC"), j),
		Facts: map[string]any{"reason": q.Reason, "code": q.Code, "nextAttempt": q.NextAttempt},
	}
	if q.Reason != engine.QuarantineDeletes {
		return n
	}
	users, groups := h.Undecided[engine.User], h.Undecided[engine.Group]
	// The list is the same as long as somebody is on it who was from its beginning, whatever becomes of the quarantine.
	n.Kind, n.Key = engine.NoticeDeletions, fmt.Sprintf("deletions:%d", h.Since.UnixMicro())
	n.Subject = fmt.Sprintf("job %s holds %d deletions for approval", j, users+groups)
	n.Text = fmt.Sprintf("Disables and deletes of %s and %s are held: %s. Nobody lost anything; creates and updates went on.\n\n"+
		"Who it is about:   scimsync job deletions %[4]s list\nIf it is right:    scimsync job deletions %[4]s approve --comment \"…\"\n"+
		"If it is not:      mend the cause at the source; who is entitled again leaves the list by itself.\n"+
		"To keep them all:  scimsync job deletions %[4]s reject --comment \"…\"\n", count(users, "user"), count(groups, "group"), heldCause(h), j)
	n.Facts = map[string]any{"reason": q.Reason, "code": q.Code, "users": users, "groups": groups, "limit": h.Limit}
	return n
}

func recoveredNotice(j engine.JobID, q *engine.Quarantine) engine.Notice {
	return engine.Notice{
		Job: j, Kind: engine.NoticeRecovered, Key: fmt.Sprintf("recovered:%d", q.SeriesBegan.UnixMicro()),
		Subject: fmt.Sprintf("job %s works again", j),
		Text:    fmt.Sprintf("The job left the quarantine in which it had been since %s (%s). Its cycles run as usual.\n", q.SeriesBegan.UTC().Format("2006-01-02 15:04 UTC"), q.Reason),
		Facts:   map[string]any{"reason": q.Reason, "since": q.SeriesBegan},
	}
}

func disablingNotice(j engine.JobID, q *engine.Quarantine, days int) engine.Notice {
	return engine.Notice{
		Job: j, Kind: engine.NoticeDisabling, Key: fmt.Sprintf("disabling:%d:%d", q.SeriesBegan.UnixMicro(), days),
		Subject: fmt.Sprintf("job %s will be disabled within %d × 24 hours", j, days),
		Text: fmt.Sprintf("The job has been in quarantine since %s: %s\nIf nobody mends the cause it is disabled within %d × 24 hours; leavers then keep their access.\nThen: scimsync job start %s\n",
			q.SeriesBegan.UTC().Format("2006-01-02 15:04 UTC"), q.Message, days, j),
		Facts: map[string]any{"reason": q.Reason, "code": q.Code, "days": days},
	}
}

func disabledNotice(j engine.JobID, q *engine.Quarantine) engine.Notice {
	return engine.Notice{
		Job: j, Kind: engine.NoticeDisabled, Key: fmt.Sprintf("disabled:%d", q.SeriesBegan.UnixMicro()),
		Subject: fmt.Sprintf("job %s was disabled after 28 days in quarantine", j),
		Text:    fmt.Sprintf("Nobody is provisioned and no leaver loses access any more. Last cause: %s\nMend it, then: scimsync job start %s\n", q.Message, j),
		Facts:   map[string]any{"reason": q.Reason, "code": q.Code},
	}
}

func expiredNotice(c engine.Cycle, n int) engine.Notice {
	return engine.Notice{
		Job: c.Job, Kind: engine.NoticeExpired, Key: "expired:" + string(c.ID),
		Subject: fmt.Sprintf("job %s gave up on %d objects", c.Job, n),
		Text: fmt.Sprintf("%d objects or references failed for 28 days and are not tried again until they change at the source.\nSee them with: scimsync escrow list %[2]s\n"+
			"Try them again with: scimsync escrow retry %[2]s\n", n, c.Job),
		Facts: map[string]any{"cycle": c.ID, "objects": n},
	}
}

func removalsNotice(c engine.Cycle, groups int) engine.Notice {
	return engine.Notice{
		Job: c.Job, Kind: engine.NoticeRemovals, Key: "removals:" + string(c.ID),
		Subject: fmt.Sprintf("job %s holds membership removals of %d groups for approval", c.Job, groups),
		Text:    fmt.Sprintf("More memberships would be removed than the job allows, or a large group would be emptied. All members stay for now.\nSee them with: scimsync job deletions %s list\n", c.Job),
		Facts:   map[string]any{"cycle": c.ID, "groups": groups},
	}
}

func failuresNotice(c engine.Cycle, n int) engine.Notice {
	return engine.Notice{
		Job: c.Job, Kind: engine.NoticeFailures, Key: "failures:" + string(c.ID),
		Subject: fmt.Sprintf("job %s: %d failures in a cycle", c.Job, n),
		Text: fmt.Sprintf("%d operations failed in cycle %s and are tried again later.\nSee them with: scimsync escrow list %s\nand what the application said: scimsync logs %s --status failure --cycle %s\n",
			n, c.ID, c.Job, c.Job, c.ID),
		Facts: map[string]any{"cycle": c.ID, "failures": n},
	}
}

func failingNotice(c engine.Cycle, ctl engine.Control) engine.Notice {
	return engine.Notice{
		Job: c.Job, Kind: engine.NoticeFailing, Key: fmt.Sprintf("failing:%d", ctl.FailingSince.UnixMicro()),
		Subject: fmt.Sprintf("job %s: no cycle got to its end since %s", c.Job, ctl.FailingSince.UTC().Format("2006-01-02 15:04 UTC")),
		Text: fmt.Sprintf("%d cycles broke off one after the other, the last one with: %s\nIt is tried again at every interval, but meanwhile nobody is provisioned and no leaver loses access.\n"+
			"See whether both sides answer with: scimsync check\n", ctl.Failures, c.Error),
		Facts: map[string]any{"code": c.ErrorCode, "cycles": ctl.Failures, "since": ctl.FailingSince},
	}
}

func worksNotice(j engine.JobID, was engine.Control) engine.Notice {
	return engine.Notice{
		Job: j, Kind: engine.NoticeRecovered, Key: fmt.Sprintf("works:%d", was.FailingSince.UnixMicro()),
		Subject: fmt.Sprintf("job %s works again", j),
		Text:    fmt.Sprintf("Its cycles had broken off since %s; the last one went through.\n", was.FailingSince.UTC().Format("2006-01-02 15:04 UTC")),
		Facts:   map[string]any{"since": was.FailingSince},
	}
}

// count is a number of things in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
