package notify

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/engine"
)

// TestCredentials asks every hour from 40 days before the end of a credential until 10 days after it: there are five
// notices, each at its time.
func TestCredentials(t *testing.T) {
	expires := time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	var got []string
	for now := expires.Add(-40 * day); now.Before(expires.Add(10 * day)); now = now.Add(time.Hour) {
		n, due := Credentials("webex", "target", expires, now)
		if !due || seen[n.Key] {
			continue
		}
		seen[n.Key] = true
		if n.Job != "webex" || n.Kind != engine.NoticeCredential || !n.At.Equal(now) {
			t.Errorf("notice %+v", n)
		}
		got = append(got, fmt.Sprintf("%s | %s | %s", now.Format("01-02 15:04"), n.Key, n.Subject))
	}
	if diff := cmp.Diff([]string{
		"10-02 00:00 | credential:target:2027-11-01:30 | job webex: the credential for its target ends in 30 days, on 2027-11-01",
		"10-18 00:00 | credential:target:2027-11-01:14 | job webex: the credential for its target ends in 14 days, on 2027-11-01",
		"10-25 00:00 | credential:target:2027-11-01:7 | job webex: the credential for its target ends in 7 days, on 2027-11-01",
		"10-31 00:00 | credential:target:2027-11-01:1 | job webex: the credential for its target ends in 1 day, on 2027-11-01",
		"11-01 00:00 | credential:target:2027-11-01:0 | job webex: the credential for its target ends today, 2027-11-01",
	}, got); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

// TestCredentialsLate asks for the first time when it is late: only the tightest reminder is given, with the days that are
// left really.
func TestCredentialsLate(t *testing.T) {
	expires := time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		before  time.Duration
		key     string
		subject string
	}{
		{30*day + time.Second, "", ""},
		{20 * day, "credential:target:2027-11-01:30", "job webex: the credential for its target ends in 20 days, on 2027-11-01"},
		{5*day - time.Hour, "credential:target:2027-11-01:7", "job webex: the credential for its target ends in 5 days, on 2027-11-01"},
		{time.Second, "credential:target:2027-11-01:1", "job webex: the credential for its target ends in 1 day, on 2027-11-01"},
		{-30 * day, "credential:target:2027-11-01:0", "job webex: the credential for its target ended on 2027-11-01"},
	} {
		n, due := Credentials("webex", "target", expires, expires.Add(-c.before))
		if due != (c.key != "") || n.Key != c.key || n.Subject != c.subject {
			t.Errorf("%s before: %v, %q, %q; want %q, %q", c.before, due, n.Key, n.Subject, c.key, c.subject)
		}
	}
	if _, due := Credentials("webex", "target", time.Time{}, expires); due {
		t.Error("a credential without end is said to end")
	}
}

func TestCredentialText(t *testing.T) {
	n, _ := Credentials("webex", "target", time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 10, 25, 9, 0, 0, 0, time.UTC))
	if diff := cmp.Diff(`The credential with which job webex signs in at its target ends in 7 days, on 2027-11-01.

That is the date at target.auth.expires of the job in the configuration file. Without a valid credential the target
will refuse every request, and the job goes into quarantine: nobody is created, changed or disabled until it has a
new one. Nothing is lost: the changes wait.

What to do:

 1. Make a new credential at the target. Leave the old one valid until the end.
 2. Put it where target.auth of the job reads it from, and the new date at target.auth.expires.
 3. Test it, which writes nothing, and then restart the service:

    scimsync check

-- 
scimsync, job webex, 2027-10-25 09:00:00 UTC
You get this because notify.email of the job has your address in the configuration file;
notify.onFailure: false switches the mails of this job off.
`, body(n)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"credential": "target", "expires": "2027-11-01", "days": 7, "ended": false}, n.Facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}
