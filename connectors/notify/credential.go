package notify

import (
	"fmt"
	"time"

	"github.com/scimsync/scimsync/engine"
)

// reminders are the days before the end of a credential on which people are told, the tightest first.
var reminders = []int{1, 7, 14, 30}

const day = 24 * time.Hour

// Credentials says whether people are to be told that a credential of a job ends, and what: 30, 14, 7 and 1 days
// before, and when it has ended (section 24, [OC]). Of several reminders that are due at once, because nobody asked
// in between, it is the last one. name is the end that the credential is for, source or target; expires is the
// day on which it ends, and to be safe the beginning of that day in UTC. A new date starts new reminders.
func Credentials(job, name string, expires, now time.Time) (engine.Notice, bool) {
	if expires.IsZero() {
		return engine.Notice{}, false
	}
	expires, now = expires.UTC().Truncate(day), now.UTC()
	left := int((expires.Sub(now) + day - 1) / day) // begun days count
	step, due := 0, left <= 0
	for _, d := range reminders {
		if due {
			break
		}
		step, due = d, left <= d
	}
	if !due {
		return engine.Notice{}, false
	}
	date, left := expires.Format(time.DateOnly), max(left, 0)
	n := engine.Notice{
		Job: engine.JobID(job), Kind: engine.NoticeCredential, At: now,
		Key:   fmt.Sprintf("credential:%s:%s:%d", name, date, step),
		Facts: map[string]any{"credential": name, "expires": date, "days": left, "ended": left == 0},
	}
	when := fmt.Sprintf("ends in %s, on %s", days(left), date)
	if left == 0 {
		when = "ended on " + date
		if now.Before(expires.Add(day)) {
			when = "ends today, " + date
		}
	}
	n.Subject = fmt.Sprintf("job %s: the credential for its %s %s", job, name, when)
	n.Text = fmt.Sprintf(`The credential with which job %[1]s signs in at its %[2]s %[3]s.

That is the date at %[2]s.auth.expires of the job in the configuration file. Without a valid credential the %[2]s
will refuse every request, and the job goes into quarantine: nobody is created, changed or disabled until it has a
new one. Nothing is lost: the changes wait.

What to do:

 1. Make a new credential at the %[2]s. Leave the old one valid until the end.
 2. Put it where %[2]s.auth of the job reads it from, and the new date at %[2]s.auth.expires.
 3. Test it, which writes nothing, and then restart the service:

    scimsync check`, job, name, when)
	return n, true
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
