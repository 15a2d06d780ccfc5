package graphsdk

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	msgraph "github.com/microsoftgraph/msgraph-sdk-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	auth "github.com/microsoftgraph/msgraph-sdk-go-core/authentication"
	"github.com/microsoftgraph/msgraph-sdk-go/directoryobjects"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
	"github.com/scimsync/scimsync/connectors/msgraph/graphtest"
)

// connect serves the sandbox over TLS and gives a client that is set up as the library's users do it:
// a client secret, the default middleware, and a token from the sandbox's own token endpoint.
func connect(t *testing.T, o graphtest.Options) (*graphtest.Server, *msgraph.GraphServiceClient, string) {
	t.Helper()
	o.TenantID, o.ClientID, o.ClientSecret, o.Token = "7d1f0c52-0000-4000-8000-00000000aa01", "app", "secret", "no static token"
	o.Seed, o.Factor = 7, 1
	s := graphtest.New(o)
	srv := httptest.NewTLSServer(s)
	t.Cleanup(srv.Close)
	cred, err := azidentity.NewClientSecretCredential(o.TenantID, o.ClientID, o.ClientSecret, &azidentity.ClientSecretCredentialOptions{
		DisableInstanceDiscovery: true,
		ClientOptions: azcore.ClientOptions{
			Transport: srv.Client(),
			Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: srv.URL},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := auth.NewAzureIdentityAuthenticationProviderWithScopesAndValidHosts(cred, []string{srv.URL + "/.default"}, []string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	options := msgraph.GetDefaultClientOptions()
	hc := &http.Client{Transport: khttp.NewCustomTransportWithParentTransport(srv.Client().Transport, core.GetDefaultMiddlewaresWithOptions(&options)...)}
	adapter, err := msgraph.NewGraphRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(provider, nil, nil, hc)
	if err != nil {
		t.Fatal(err)
	}
	adapter.SetBaseUrl(srv.URL + "/v1.0")
	return s, msgraph.NewGraphServiceClient(adapter), srv.URL + "/v1.0"
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// removed is the reason in an entry's @removed annotation. The library leaves it untyped, with
// pointers for leaves.
func removed(t *testing.T, data map[string]any) string {
	t.Helper()
	m, ok := data["@removed"].(map[string]any)
	if !ok {
		return ""
	}
	reason, ok := m["reason"].(*string)
	if !ok {
		t.Fatalf("@removed holds %T", m["reason"])
	}
	return *reason
}

// usersRound walks a round of the users feed from a link, or from the start.
func usersRound(t *testing.T, c *msgraph.GraphServiceClient, link string) (entries []models.Userable, delta string) {
	t.Helper()
	b := c.Users().Delta()
	if link != "" {
		b = b.WithUrl(link)
	}
	cfg := &users.DeltaRequestBuilderGetRequestConfiguration{QueryParameters: &users.DeltaRequestBuilderGetQueryParameters{
		Select: []string{"displayName", "department", "accountEnabled", "userPrincipalName", "manager", "deletedDateTime"}}}
	if link != "" {
		cfg = nil
	}
	for range 1000 {
		res, err := b.GetAsDeltaGetResponse(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, res.GetValue()...)
		if next := text(res.GetOdataNextLink()); next != "" {
			b, cfg = c.Users().Delta().WithUrl(next), nil
			continue
		}
		return entries, text(res.GetOdataDeltaLink())
	}
	t.Fatal("the users feed does not end")
	return nil, ""
}

func TestUsersDelta(t *testing.T) {
	t.Parallel()
	s, c, _ := connect(t, graphtest.Options{Population: graphtest.Population{Users: 1000}})
	boss := s.AddUser(graphtest.User{DisplayName: "The Boss"})
	mira := s.AddUser(graphtest.User{DisplayName: `Mira "Ace" Holt`, Department: "Sales", ManagerID: boss})
	noor := s.AddUser(graphtest.User{DisplayName: "Noor", Disabled: true})
	all, link := usersRound(t, c, "")
	seen := map[string]models.Userable{}
	for _, u := range all {
		if removed(t, u.GetAdditionalData()) == "" {
			seen[text(u.GetId())] = u
		}
	}
	if len(seen) != 1003 || link == "" {
		t.Fatalf("%d users, deltaLink %q", len(seen), link)
	}
	if u := seen[mira]; text(u.GetDisplayName()) != `Mira "Ace" Holt` || text(u.GetDepartment()) != "Sales" || !*u.GetAccountEnabled() {
		t.Errorf("mira: %q %q", text(u.GetDisplayName()), text(u.GetDepartment()))
	}
	if u := seen[noor]; *u.GetAccountEnabled() || u.GetDepartment() != nil {
		t.Error("noor is disabled and has no department")
	}
	if m, ok := seen[mira].GetAdditionalData()["manager@delta"].([]any); !ok || len(m) != 1 || *m[0].(map[string]any)["id"].(*string) != boss {
		t.Errorf("manager@delta: %v", seen[mira].GetAdditionalData())
	}

	s.UpdateUser(mira, map[string]any{"displayName": "Mira Stern", "department": nil})
	s.SoftDelete(noor)
	s.HardDelete(boss)
	changed, link := usersRound(t, c, link)
	got := map[string]string{}
	for _, u := range changed {
		reason := removed(t, u.GetAdditionalData())
		if _, known := map[string]bool{mira: true, noor: true, boss: true}[text(u.GetId())]; known {
			got[text(u.GetId())] = reason + text(u.GetDisplayName())
		}
	}
	if got[mira] != "Mira Stern" || got[noor] != "changed" || got[boss] != "deleted" {
		t.Errorf("incremental round: %v", got)
	}
	s.Restore(noor)
	changed, _ = usersRound(t, c, link)
	if !slices.ContainsFunc(changed, func(u models.Userable) bool {
		return text(u.GetId()) == noor && removed(t, u.GetAdditionalData()) == ""
	}) {
		t.Error("the restored user is not in the round")
	}
}

func TestGroupsDelta(t *testing.T) {
	t.Parallel()
	s, c, _ := connect(t, graphtest.Options{Population: graphtest.Population{Users: 1800}})
	var all []string
	for id := range s.Truth().Users {
		all = append(all, id)
	}
	crew := s.AddGroup(graphtest.Group{DisplayName: "Crew", Members: all})
	team := s.AddGroup(graphtest.Group{DisplayName: "Team", Unified: true, Members: all[:3]})
	round := func(link string) (members map[string]map[string]bool, slices int, delta string) {
		members = map[string]map[string]bool{}
		b := c.Groups().Delta()
		cfg := &groups.DeltaRequestBuilderGetRequestConfiguration{QueryParameters: &groups.DeltaRequestBuilderGetQueryParameters{
			Select: []string{"displayName", "securityEnabled", "groupTypes", "members"}}}
		if link != "" {
			b, cfg = b.WithUrl(link), nil
		}
		for {
			res, err := b.GetAsDeltaGetResponse(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range res.GetValue() {
				id := text(g.GetId())
				if members[id] == nil {
					members[id] = map[string]bool{}
				}
				if id == crew {
					slices++
				}
				if id == team && len(g.GetGroupTypes()) != 1 {
					t.Errorf("groupTypes: %v", g.GetGroupTypes())
				}
				list, _ := g.GetAdditionalData()["members@delta"].([]any)
				for _, m := range list {
					ref := m.(map[string]any)
					if text(ref["@odata.type"].(*string)) != "#microsoft.graph.user" && removed(t, ref) == "" {
						t.Errorf("member %v", ref)
					}
					members[id][*ref["id"].(*string)] = removed(t, ref) == ""
				}
			}
			if next := text(res.GetOdataNextLink()); next != "" {
				b, cfg = c.Groups().Delta().WithUrl(next), nil
				continue
			}
			return members, slices, text(res.GetOdataDeltaLink())
		}
	}
	members, cuts, link := round("")
	if len(members[crew]) != 1800 || cuts < 3 || len(members[team]) != 3 {
		t.Fatalf("%d members in %d slices, %d in the team", len(members[crew]), cuts, len(members[team]))
	}
	s.RemoveMember(crew, all[0])
	members, _, _ = round(link)
	if in, told := members[crew][all[0]]; in || !told {
		t.Errorf("the removal: %v", members[crew])
	}

	res, err := c.Groups().ByGroupId(team).Members().GraphUser().Get(t.Context(), &groups.ItemMembersGraphUserRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.ItemMembersGraphUserRequestBuilderGetQueryParameters{Select: []string{"id", "displayName"}, Top: new(int32(999))}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.GetValue()); n != 3 || text(res.GetValue()[0].GetDisplayName()) == "" {
		t.Errorf("%d members", n)
	}
	mixed, err := c.Groups().ByGroupId(team).Members().Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := mixed.GetValue()[0].(models.Userable); !ok {
		t.Errorf("a member decodes as %T: the type annotation is not understood", mixed.GetValue()[0])
	}
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	s, c, _ := connect(t, graphtest.Options{Population: graphtest.Population{Users: 300, Groups: 5, Tidy: true}})
	sp := s.ServicePrincipalID()
	app, err := c.ServicePrincipalsWithAppId(new(s.AppID())).Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text(app.GetId()) != sp || len(app.GetAppRoles()) != 3 || *app.GetAppRoles()[2].GetIsEnabled() || app.GetAppRoles()[0].GetId().String() != s.AppRoles()[0].ID {
		t.Errorf("service principal %s with %d roles", text(app.GetId()), len(app.GetAppRoles()))
	}
	b := c.ServicePrincipals().ByServicePrincipalId(sp).AppRoleAssignedTo()
	want := len(s.Truth().Assignments)
	res, err := b.Get(t.Context(), &serviceprincipals.ItemAppRoleAssignedToRequestBuilderGetRequestConfiguration{
		QueryParameters: &serviceprincipals.ItemAppRoleAssignedToRequestBuilderGetQueryParameters{Top: new(int32(10))}})
	if err != nil {
		t.Fatal(err)
	}
	it, err := core.NewPageIterator[models.AppRoleAssignmentable](res, c.GetAdapter(), models.CreateAppRoleAssignmentCollectionResponseFromDiscriminatorValue)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	err = it.Iterate(t.Context(), func(a models.AppRoleAssignmentable) bool {
		got[text(a.GetId())] = true
		if a.GetResourceId().String() != sp || a.GetPrincipalId() == nil || a.GetCreatedDateTime() == nil {
			t.Errorf("assignment %s: %v", text(a.GetId()), a.GetResourceId())
		}
		return true
	})
	if err != nil || len(got) != want || want < 11 {
		t.Errorf("%d assignments of %d: %v", len(got), want, err)
	}
}

func TestDeletedItems(t *testing.T) {
	t.Parallel()
	s, c, _ := connect(t, graphtest.Options{})
	mira := s.AddUser(graphtest.User{UserPrincipalName: "mira.holt@example.test", DisplayName: "Mira"})
	if err := c.Users().ByUserId(mira).Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	res, err := c.Directory().DeletedItems().GraphUser().Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := res.GetValue(); len(v) != 1 || text(v[0].GetId()) != mira || v[0].GetDeletedDateTime() == nil || text(v[0].GetUserPrincipalName()) == "mira.holt@example.test" {
		t.Errorf("%d deleted users", len(v))
	}
	item, err := c.Directory().DeletedItems().ByDirectoryObjectId(mira).Get(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := item.(models.Userable); !ok {
		t.Errorf("the deleted item decodes as %T", item)
	}
	if _, err := c.Directory().DeletedItems().ByDirectoryObjectId(mira).Restore().Post(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	u, err := c.Users().ByUserId("mira.holt@example.test").Get(t.Context(), nil)
	if err != nil || text(u.GetId()) != mira {
		t.Errorf("after the restore: %v", err)
	}
	deleted, err := c.Directory().DeletedItems().GraphGroup().Get(t.Context(), nil)
	if err != nil || len(deleted.GetValue()) != 0 {
		t.Errorf("deleted groups: %v", err)
	}
}

func TestWrites(t *testing.T) {
	t.Parallel()
	s, c, root := connect(t, graphtest.Options{})
	boss := s.AddUser(graphtest.User{DisplayName: "Boss"})
	u := models.NewUser()
	u.SetAccountEnabled(new(true))
	u.SetDisplayName(new("Ida"))
	u.SetMailNickname(new("ida"))
	u.SetUserPrincipalName(new("ida@example.test"))
	made, err := c.Users().Post(t.Context(), u, nil)
	if err != nil {
		t.Fatal(err)
	}
	ida := text(made.GetId())
	ref := models.NewReferenceUpdate()
	ref.SetOdataId(new(root + "/users/" + boss))
	if err := c.Users().ByUserId(ida).Manager().Ref().Put(t.Context(), ref, nil); err != nil {
		t.Fatal(err)
	}
	g := models.NewGroup()
	g.SetDisplayName(new("Crew"))
	g.SetMailNickname(new("crew"))
	g.SetMailEnabled(new(false))
	g.SetSecurityEnabled(new(true))
	group, err := c.Groups().Post(t.Context(), g, nil)
	if err != nil {
		t.Fatal(err)
	}
	crew := text(group.GetId())
	member := models.NewReferenceCreate()
	member.SetOdataId(new(root + "/directoryObjects/" + ida))
	if err := c.Groups().ByGroupId(crew).Members().Ref().Post(t.Context(), member, nil); err != nil {
		t.Fatal(err)
	}
	change := models.NewUser()
	change.SetDepartment(new("Sales"))
	if _, err := c.Users().ByUserId(ida).Patch(t.Context(), change, nil); err != nil {
		t.Fatal(err)
	}
	truth := s.Truth()
	if truth.Users[ida].ManagerID != boss || truth.Users[ida].Properties["department"] != "Sales" || truth.Groups[crew].Members[ida] == "" {
		t.Errorf("%+v", truth.Users[ida])
	}
	if err := c.Groups().ByGroupId(crew).Members().ByDirectoryObjectId(ida).Ref().Delete(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	body := directoryobjects.NewGetByIdsPostRequestBody()
	body.SetIds([]string{ida, crew, "none"})
	res, err := c.DirectoryObjects().GetByIds().PostAsGetByIdsPostResponse(t.Context(), body, nil)
	if err != nil || len(res.GetValue()) != 2 {
		t.Errorf("getByIds: %v", err)
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s, c, _ := connect(t, graphtest.Options{})
	mira := s.AddUser(graphtest.User{DisplayName: "Mira"})
	batch := core.NewBatchRequest(c.GetAdapter())
	add := func(id string) core.BatchItem {
		info, err := c.Users().ByUserId(id).ToGetRequestInformation(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		item, err := batch.AddBatchRequestStep(*info)
		if err != nil {
			t.Fatal(err)
		}
		return item
	}
	good, bad := add(mira), add("nobody")
	res, err := batch.Send(t.Context(), c.GetAdapter())
	if err != nil {
		t.Fatal(err)
	}
	u, err := core.GetBatchResponseById[models.Userable](res, *good.GetId(), models.CreateUserFromDiscriminatorValue)
	if err != nil || text(u.GetDisplayName()) != "Mira" {
		t.Errorf("part 1: %v", err)
	}
	if codes := res.GetStatusCodes(); codes[*good.GetId()] != 200 || codes[*bad.GetId()] != 404 {
		t.Errorf("%v", codes)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s, c, _ := connect(t, graphtest.Options{})
	s.AddUser(graphtest.User{})
	_, link := usersRound(t, c, "")
	status := func(err error) (int, string) {
		t.Helper()
		var odata *odataerrors.ODataError
		if !errors.As(err, &odata) {
			var api *abstractions.ApiError
			if errors.As(err, &api) {
				return api.ResponseStatusCode, ""
			}
			t.Fatalf("%T: %v", err, err)
		}
		inner := odata.GetErrorEscaped().GetInnerError()
		if inner == nil || text(inner.GetRequestId()) == "" || inner.GetDate() == nil {
			t.Errorf("the inner error is not decoded: %+v", inner)
		}
		return odata.ResponseStatusCode, text(odata.GetErrorEscaped().GetCode())
	}
	_, err := c.Users().ByUserId("nobody@example.test").Get(t.Context(), nil)
	if n, code := status(err); n != 404 || code != "Request_ResourceNotFound" {
		t.Errorf("unknown user: %d %s", n, code)
	}
	_, err = c.Users().Delta().GetAsDeltaGetResponse(t.Context(), &users.DeltaRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.DeltaRequestBuilderGetQueryParameters{Select: []string{"nonsense"}}})
	if n, code := status(err); n != 400 || code != "Request_BadRequest" {
		t.Errorf("unknown property: %d %s", n, code)
	}
	for mode, want := range map[graphtest.TokenDeath]struct {
		status int
		code   string
	}{graphtest.Gone: {410, "resyncRequired"}, graphtest.Age: {400, "syncStateNotFound"}, graphtest.Nested: {400, "BadRequest"}} {
		s.KillTokens("users", mode)
		_, err = c.Users().Delta().WithUrl(link).GetAsDeltaGetResponse(t.Context(), nil)
		if n, code := status(err); n != want.status || code != want.code {
			t.Errorf("%s: %d %s", mode, n, code)
		}
	}
	s.KillTokens("users", graphtest.GoneBare)
	if _, err = c.Users().Delta().WithUrl(link).GetAsDeltaGetResponse(t.Context(), nil); err == nil {
		t.Error("a bare 410 is no error")
	} else if n, _ := status(err); n != 410 {
		t.Errorf("bare 410: %d", n)
	}
	s.AddFault(graphtest.Fault{Effect: graphtest.Status, Status: 403, Times: 1})
	_, err = c.Users().Get(t.Context(), nil)
	if n, code := status(err); n != 403 || code != "Authorization_RequestDenied" {
		t.Errorf("forbidden: %d %s", n, code)
	}
}
