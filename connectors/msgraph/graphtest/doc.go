// Package graphtest is a sandbox Microsoft Graph directory: an http.Handler that answers the calls
// by which a provisioning engine reads users, groups and app role assignments, and is unpleasant in
// the same ways as the real service.
//
// The same options, settings and requests give the same bytes: ids, page order, tokens and request
// ids come from the seed, and time is virtual. It shares no code with the connector it stands in
// for, so that a mistake cannot hide on both sides. Sources: the public Graph documentation and public issue
// reports, as collected in the specification of the source connector.
//
//	s := graphtest.New(graphtest.Options{Seed: 1})
//	srv := httptest.NewServer(s)
//	mira := s.AddUser(graphtest.User{UserPrincipalName: "mira.holt@example.test"})
//	crew := s.AddGroup(graphtest.Group{DisplayName: "Crew", Members: []string{mira}})
//	s.Assign(crew, "")
//	// GET srv.URL + "/v1.0/users/delta?$select=displayName,deletedDateTime"
//	s.SoftDelete(mira)
//	s.Advance(31 * 24 * time.Hour) // now hard-deleted
//
// # Access
//
// Any bearer token is accepted unless [Options] names one; without, 401. "emu-<tenant>-<set>" is a token with
// few permissions (all, none, or users, groups, apps, directory and write joined by +); "emu-expired", "emu-revoked" and
// "emu-claims" are refused. POST /{tenant}/oauth2/v2.0/token grants tokens for client credentials.
//
// # Control API
//
// Under /_emu, without a token, JSON in and out:
//
//	POST   reset       {"seed":1,"users":200,"groups":20,"memberships":0,"tidy":true,"b2c":false}
//	POST   clock       {"advance":"36h"} or {"factor":60}
//	POST   mutate      [{"op":"user.update","id":"…","set":{"department":null}}, …], see [Change]
//	POST   faults      [{"match":{"feed":"users","pageFrom":2},"times":1,"effect":"status","status":503}], see [Fault]
//	DELETE faults
//	POST   day         lets a day pass, see [Server.PassDay]
//	GET    settings, POST settings  see [Settings]; what is left out stays
//	POST   killTokens  {"feed":"users","mode":"gone"}, see [TokenDeath]
//	GET    truth?sp=…  see [Truth]
//	GET    log?since=n see [Request]
//	GET    stats       see [Stats]
//	GET    world       ids of the tenant and of the application
//
// # Silent cases
//
// What a client that merges pages faithfully cannot know, as with the real service: a restore, if
// deletedDateTime is not selected and nothing selected changed (nor are its relations told later); the end of a hard-deleted member's
// memberships and of a hard-deleted manager; memberships of a soft-deleted user (they stay, and no round
// says that they are hidden); with SplitChanges, the order of two changes to one membership or of a deletion
// and a restore.
//
// # Known differences to the real service
//
//   - One tenant, in memory only: no snapshot file, and no background churn but [Server.PassDay]. Licences, directory roles and conditional access are absent, but for the claims challenge.
//   - Messages are ours. Ids of assignments are random, without inner structure.
//   - Rules of dynamic groups are not evaluated.
//   - The lag model has two replicas and one lag for each kind of data; no regional failover.
//   - The clock stands still until it is moved, so throttling never ends by waiting in real time.
//   - $filter knows eq and startswith, joined by and / or. There is no $search, no $expand and no $skip; $orderby
//     only on deleted items.
//   - Names are unique only where a client writes; the Go methods let tests build what they like.
//   - Applications are service principals only. Deleted items of type application are always empty.
//   - An object in deleted items cannot be changed, by whatever route.
//   - Entries of a round replayed by ReplayRate show the state of the round before; the service may replay older ones.
//   - With ReuseLosesChanges the second use of a deltaLink lacks changes; the round that was read first lacks none.
//   - Pages of a group with many members are cut by the number of members told, not by bytes.
package graphtest
