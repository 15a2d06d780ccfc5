// Package notify delivers notices by mail and webhook (provisioning.md section 24).
//
// Notices wait in the outbox, [engine.Notices], where the end of a cycle and [Credentials] put them, each once
// for its job and key. [Dispatcher.Dispatch] delivers those that are due: each to every channel that has not got
// it, in the order in which they were written. What a channel took is recorded for that channel at once, and it
// is not offered it again. A channel that fails is tried again after 1 minute, 2, 4 and so on up to 6 hours, for 3
// days, while the others go on; when it does not answer at all it is left alone for the rest of the round, so that
// it holds the others up once, for its time limit, and not once a notice.
//
// # Who gets what
//
// Webhooks get the notices of all jobs. Mail goes to notify.email of the job if notify.onFailure is set; without
// it a job sends no mail, neither bad news nor good. The digest of a cycle's failures is sent, by mail and webhook,
// only if notify.digest is set. With no channel for it a notice is done unsent: a channel that is configured later
// starts with what happens then.
//
// # Never twice, never lost
//
// A notice is claimed before it is sent (ClaimNotice), so of several dispatchers, in one process or in many, one
// sends it. Three things can make a second copy, because neither SMTP nor HTTP can tell what became of the first: a
// crash after the other side took it and before that was recorded (one write to the store), a connection that
// ends after all was sent and before it was acknowledged, and a process that is held up longer than a claim lasts
// (3 minutes). The alternative, to lose it then, would be worse. A copy is recognisable: its Message-ID or webhook-id
// is that of the first, and mail systems and webhook libraries drop it by that. After a crash, what was being
// sent goes on when its claim has run out.
//
// # Webhooks
//
// A notice is posted as a JSON object
//
//	{"id", "type", "job", "time", "subject", "text", "facts"}
//
// with type one of quarantine, recovered, deletions, removals, disabling, disabled, expired, credential and failures,
// time in RFC 3339, subject and text for people and facts for programs. An answer 2xx within 10 seconds takes it.
// 410 Gone refuses this one for good; anything else is tried again, after the Retry-After of the answer if that is
// later. Redirects are followed by method and body (307, 308) and within the same origin only.
//
// With a secret the request is signed as Standard Webhooks 1.0.0 prescribes (https://www.standardwebhooks.com), so
// the libraries for it can verify it. By hand:
//
//  1. Take the headers webhook-id, webhook-timestamp (seconds since 1970) and the body as it came, undecoded.
//  2. Compute the HMAC-SHA256 of id + "." + timestamp + "." + body. The key is the secret; if it begins with
//     whsec_, the key is what follows, decoded from base64.
//  3. Compare the base64 of it, in constant time, with what follows "v1," in webhook-signature.
//  4. Refuse a timestamp that is more than five minutes off, and drop an id that was seen before.
//
// # What is logged
//
// Jobs, kinds of notices, hosts and status codes: never a mail address, a text, a secret, what a server answered,
// or the path or query of a webhook, because that often is a secret.
package notify
