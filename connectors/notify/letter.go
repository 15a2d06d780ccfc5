package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scimsync/scimsync/engine"
)

// longestSubject is in characters. Mail programs show less.
const longestSubject = 200

// subject is that of a notice, on one line: what stands in it comes to no header by itself.
func subject(n engine.Notice) string {
	s := strings.Join(strings.Fields(clean(n.Subject)), " ")
	if s == "" {
		s = fmt.Sprintf("job %s: %s", n.Job, n.Kind)
	}
	if r := []rune(s); len(r) > longestSubject {
		s = string(r[:longestSubject-1]) + "…"
	}
	return s
}

// text is that of a notice.
func text(n engine.Notice) string {
	if s := strings.TrimSpace(clean(n.Text)); s != "" {
		return s
	}
	return fmt.Sprintf("There is news of the kind %q about job %s.", n.Kind, n.Job)
}

// sentence begins with a capital: messages that were made to follow a colon stand alone in a mail. A command stays as it is.
func sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if strings.HasPrefix(s, "scimsync ") {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

// clean removes control characters but line ends and tabs, and makes all line ends the same.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n', c == '\t':
			return c
		case c == '\r', c == '\u0085', c == '\u2028', c == '\u2029':
			return '\n'
		case unicode.IsControl(c):
			return ' '
		}
		return c
	}, s)
}

// body is the text of a mail: that of the notice, the commands that it does not name itself, and why the reader got
// it.
func body(n engine.Notice) string {
	var b strings.Builder
	b.WriteString(sentence(text(n)) + "\n")
	if more := commands(n); len(more) > 0 {
		b.WriteString("\nWhere scimsync runs:\n\n")
		width := 0
		for _, c := range more {
			width = max(width, utf8.RuneCountInString(c.line))
		}
		for _, c := range more {
			fmt.Fprintf(&b, "    %-*s   %s\n", width, c.line, c.does)
		}
	}
	off := "notify.onFailure: false switches the mails of this job off"
	if n.Kind == engine.NoticeFailures {
		off = "notify.digest: false switches this report off, notify.onFailure: false all mails of the job"
	}
	// "-- " begins a signature by custom (RFC 3676 section 4.3); programs fold it away.
	fmt.Fprintf(&b, "\n-- \nscimsync, job %s, %s UTC\nYou get this because notify.email of the job has your address in the configuration file;\n%s.\n",
		n.Job, n.At.UTC().Format(time.DateTime), off)
	return clean(b.String())
}

// command is a line to type and what it does.
type command struct{ line, does string }

// commands are those that help with a kind of notice and that its text does not mention.
func commands(n engine.Notice) []command {
	show := command{"scimsync job show %s", "how the job is, why, and what comes next"}
	check := command{"scimsync check", "tests source and target, writes nothing"}
	start := command{"scimsync job start %s", "tries again at once, when the cause is gone"}
	list := command{"scimsync job deletions %s list", "what is held, and why"}
	var out []command
	switch n.Kind {
	case engine.NoticeQuarantined, engine.NoticeDisabling, engine.NoticeDisabled:
		out = []command{show, check, {"scimsync logs %s --status failure", "what the two sides answered"}, start}
	case engine.NoticeDeletions, engine.NoticeRemovals:
		out = []command{list,
			{`scimsync job deletions %s approve --comment "…"`, "carries them out"},
			{`scimsync job deletions %s reject --comment "…"`, "keeps everything as it is"}}
	case engine.NoticeExpired, engine.NoticeFailures:
		out = []command{
			{"scimsync escrow list %s", "which objects failed, and why"},
			{"scimsync logs %s --status failure", "what the application answered"},
			{"scimsync escrow retry %s", "tries them again in the next cycle"}}
	case engine.NoticeCredential:
		out = []command{check}
	default:
		out = []command{show}
	}
	for i := range out {
		out[i].line = strings.ReplaceAll(out[i].line, "%s", string(n.Job))
	}
	return slices.DeleteFunc(out, func(c command) bool {
		line, _, _ := strings.Cut(c.line, " --")
		return strings.Contains(n.Text, line)
	})
}
