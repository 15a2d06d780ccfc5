package graphtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Population asks for a generated tenant. All names are made up, all addresses end in example.test.
type Population struct {
	Users, Groups int
	Memberships   int // about how many; 0: five for each user
	// Tidy gives a small company as one would draw it: everybody has a department, a title and a
	// manager, and everybody is assigned to the application, most through the groups of their
	// department, some directly; one more person waits in deleted items. Otherwise the tenant has the disorder of real ones: guests,
	// disabled accounts, blanks and quotes in names, missing departments, managers in circles,
	// nested groups, devices as members, and assignments of every kind.
	Tidy bool
}

// domain is the tenant's mail domain.
func (s *Server) domain() string { return "sandbox.example.test" }

// A generator makes people and groups from a seed.
type generator struct {
	rng   *rand.Rand
	taken map[string]bool
	tidy  bool
}

func newGenerator(seed uint64, tidy bool) *generator {
	return &generator{rng: seeded(seed, 0x9e4), taken: map[string]bool{}, tidy: tidy}
}

var (
	givenNames = strings.Fields(`Alba Aldo Amira Anouk Arlo Asta Bela Bran Britt Calla Ciro Cleo Dagny Dario Delia Edda Eino Elio Elva Enzo
		Esme Faro Fenna Finn Flora Gero Gilda Greta Hanno Heda Hugo Ida Ilse Imre Inga Ivo Jale Jana Jory Juna Kaia Kasimir Keno Lale Leda
		Levin Lior Lotta Luca Maja Malik Mara Mika Mina Mira Nael Nela Nilo Noor Odo Olli Orla Pelle Petra Quinn Rafa Rhea Rika Runa Sami
		Selma Silas Sunna Taavi Talia Tarek Tilda Ulla Uma Veit Vera Vito Wanda Willem Yara Yves Zara Zeno Zita`)
	surnames = strings.Fields(`Abendrot Alder Amsel Arbogast Birke Blauw Brandt Brook Carrow Castell Dahl Dorne Eibe Elster Falk Farrow Fenn
		Ferro Finch Garde Ginster Hafen Hale Harrow Holt Ibsen Ilex Jansson Juniper Kestrel Kiefer Korn Lark Larsson Linde Lorne Marlow
		Marten Merle Morrow Nachtigall Nord Okello Olander Osei Pappel Perrin Pike Quill Rabe Reed Rowan Ryder Salis Sander Sorrel Stern
		Talbot Tanne Thorne Ulm Umber Vale Varga Vogel Wacholder Weide Wells Wren Yarrow Ysbrand Zander Zorn`)
	departments = strings.Fields("Sales Engineering Finance Support Marketing Operations Legal Research Facilities Design")
	teams       = strings.Fields("North South East West Alpha Beta Harbour Meadow Summit Valley Lantern Compass Anchor Tidal Ember Cedar")
	titles      = strings.Fields("Analyst Engineer Specialist Coordinator Consultant Planner Designer Technician")
	cities      = strings.Fields("Nordhafen Seebruck Altmoor Silverlake Westerby Oakhurst")
	languages   = strings.Fields("en-US de-DE fr-FR nl-NL sv-SE")
)

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// person makes a user that nobody has yet.
func (g *generator) person(domain string) User {
	r := g.rng
	u := User{
		GivenName: pick(r, givenNames), Surname: pick(r, surnames), Department: pick(r, departments),
		City: pick(r, cities), CompanyName: "Sandbox Company", PreferredLanguage: pick(r, languages),
	}
	u.Country = map[string]string{"en-US": "US", "de-DE": "DE", "fr-FR": "FR", "nl-NL": "NL", "sv-SE": "SE"}[u.PreferredLanguage]
	u.JobTitle = u.Department + " " + pick(r, titles)
	nick := strings.ToLower(u.GivenName + "." + u.Surname)
	for n := 2; g.taken[nick]; n++ {
		if n > 3 {
			n = 2 + r.IntN(1_000_000)
		}
		nick = fmt.Sprintf("%s.%s%d", strings.ToLower(u.GivenName), strings.ToLower(u.Surname), n)
	}
	g.taken[nick] = true
	u.MailNickname = nick
	u.UserPrincipalName = nick + "@" + domain
	u.Mail = u.UserPrincipalName
	u.DisplayName = u.GivenName + " " + u.Surname
	u.EmployeeID = fmt.Sprintf("E%06d", len(g.taken))
	u.OfficeLocation = fmt.Sprintf("%c/%d", 'A'+r.IntN(4), 100+r.IntN(300))
	u.MobilePhone = fmt.Sprintf("+1 555 01%02d %04d", r.IntN(100), r.IntN(10000))
	if !g.tidy {
		g.rough(&u, domain)
	}
	return u
}

// rough gives a person the irregularities of a real directory.
func (g *generator) rough(u *User, domain string) {
	r := g.rng
	if r.Float64() < 0.03 {
		alias := strings.ReplaceAll(u.MailNickname, ".", [...]string{".", "_"}[r.IntN(2)])
		u.UserPrincipalName = alias + "_partner.example.test#EXT#@" + domain
		u.Mail = alias + "@partner.example.test"
		u.UserType = "Guest"
		u.Department, u.EmployeeID = "", ""
		u.Extra = map[string]any{"externalUserState": "Accepted"}
	}
	u.Disabled = r.Float64() < 0.05
	if r.Float64() < 0.10 {
		u.Department = ""
	}
	if r.Float64() < 0.02 {
		u.Mail = ""
	}
	if r.Float64() < 0.005 {
		u.Mail = strings.ToUpper(u.Mail)
		u.DisplayName = "Mira Holt"
	}
	if r.Float64() < 0.01 {
		u.DisplayName = [...]string{
			u.Surname + ", " + u.GivenName, " " + u.DisplayName, u.DisplayName + " ", u.GivenName + ` "Ace" ` + u.Surname,
			u.GivenName + " O'" + u.Surname, u.GivenName + "  " + u.Surname, u.GivenName + " Ångström-" + u.Surname, u.GivenName + ` \ ` + u.Surname,
		}[r.IntN(8)]
	}
}

// populate fills an empty directory in one revision.
func (s *Server) populate(p Population) {
	r := s.names.rng
	people := make([]string, p.Users)
	byDepartment := map[string][]string{}
	for i := range people {
		u := s.names.person(s.domain())
		if i > 0 {
			u.ManagerID = people[s.names.manager(i)]
			if !p.Tidy && r.Float64() < 0.1 {
				u.ManagerID = ""
			}
		}
		id, err := s.addUser(u)
		must(err)
		people[i] = id
		byDepartment[u.Department] = append(byDepartment[u.Department], id)
	}
	if p.Tidy {
		must(s.populateTidy(p, people, byDepartment))
		s.addFormer()
		return
	}
	for range p.Users / 1000 {
		a, b := people[r.IntN(p.Users)], people[r.IntN(p.Users)]
		must(s.setManager(a, b))
		must(s.setManager(b, a))
	}
	must(s.populateRough(p, people))
}

// addFormer leaves one more person in deleted items, who can come back on another day.
func (s *Server) addFormer() {
	u := s.names.person(s.domain())
	id, err := s.addUser(u)
	must(err)
	_, err = s.assign(s.app.id, id, s.app.firstRole())
	must(err)
	s.dir.softDelete(s.dir.objects[id])
}

// manager is the index of the i-th person's manager: a tree in which everybody has about eight reports.
func (g *generator) manager(i int) int {
	if i < 9 {
		return 0
	}
	return (i - 1) / 8
}

// populateTidy makes groups by department and team, and assigns everybody.
func (s *Server) populateTidy(p Population, people []string, byDepartment map[string][]string) error {
	r := s.names.rng
	user, manager := s.app.roles[0].ID, s.app.roles[min(1, len(s.app.roles)-1)].ID
	covered := map[string]bool{}
	for i := range p.Groups {
		g := Group{Description: "Made for the sandbox"}
		switch {
		case i < len(departments):
			g.DisplayName = departments[i]
			g.Members = byDepartment[departments[i]]
		default:
			n := (i - len(departments)) / len(teams)
			g.DisplayName = "Team " + teams[i%len(teams)]
			if n > 0 {
				g.DisplayName += fmt.Sprintf(" %d", n+1)
			}
			for _, at := range r.Perm(len(people))[:min(len(people), 3+r.IntN(10))] {
				g.Members = append(g.Members, people[at])
			}
		}
		g.MailNickname = strings.ToLower(strings.ReplaceAll(g.DisplayName, " ", "-"))
		id, err := s.addGroup(g)
		if err != nil {
			return err
		}
		// Two departments are assigned person by person, so that both ways are there to be seen.
		if i < len(departments) && i%5 == 4 {
			continue
		}
		role := user
		if i >= len(departments) && i%4 == 0 {
			role = manager
		}
		if _, err := s.assign(s.app.id, id, role); err != nil {
			return err
		}
		for _, m := range g.Members {
			covered[m] = true
		}
	}
	for _, id := range people {
		if !covered[id] {
			if _, err := s.assign(s.app.id, id, user); err != nil {
				return err
			}
		}
	}
	return nil
}

// populateRough makes groups whose sizes follow a power law, and assignments of all kinds.
func (s *Server) populateRough(p Population, people []string) error {
	r := s.names.rng
	if p.Memberships == 0 {
		p.Memberships = 5 * p.Users
	}
	var ids []string
	var weight float64
	for i := range p.Groups {
		weight += 1 / math.Pow(float64(i+1), 0.8)
	}
	for i := range p.Groups {
		g := Group{
			DisplayName: fmt.Sprintf("%s %s %d", pick(r, teams), pick(r, departments), i+1),
			Unified:     r.Float64() < 0.15, NotSecurity: r.Float64() < 0.08, Dynamic: r.Float64() < 0.03,
		}
		if r.Float64() < 0.01 {
			g.DisplayName = ` "` + g.DisplayName + `", `
		}
		id, err := s.addGroup(g)
		if err != nil {
			return err
		}
		size := min(int(float64(p.Memberships)/weight/math.Pow(float64(i+1), 0.8)), p.Users)
		if err := s.fillGroup(id, people, size); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	// Chains of nested groups, three deep, and one circle.
	for i := 0; i+3 < len(ids) && i < 40; i += 4 {
		for j := range 3 {
			if err := s.addMember(ids[i+j], ids[i+j+1]); err != nil {
				return err
			}
		}
	}
	if len(ids) >= 4 {
		if err := s.addMember(ids[3], ids[0]); err != nil {
			return err
		}
	}
	for i, id := range ids {
		if i%10 != 5 {
			continue
		}
		d, err := s.dir.add(devices, s.freshID())
		if err != nil {
			return err
		}
		s.strings(d, "displayName", fmt.Sprintf("LAPTOP-%04d", i), "operatingSystem", "Windows")
		if err := s.addMember(id, d.id); err != nil {
			return err
		}
		if err := s.addMember(id, s.app.id); err != nil {
			return err
		}
	}
	return s.assignRough(people, ids)
}

// fillGroup adds about size people, each once: a run of the directory's order from a random place.
func (s *Server) fillGroup(id string, people []string, size int) error {
	if len(people) == 0 {
		return nil
	}
	start := s.names.rng.IntN(len(people))
	step := 1
	if size*7 < len(people) && len(people)%7 != 0 {
		step = 7
	}
	for n := range size {
		if err := s.addMember(id, people[(start+n*step)%len(people)]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) assignRough(people, ids []string) error {
	r := s.names.rng
	roles := []string{ZeroRole}
	for _, role := range s.app.roles {
		roles = append(roles, role.ID) // a disabled one is among them
	}
	roles = append(roles, s.freshID()) // and one that the application does not have
	some := func(list []string, share float64, weights []int) error {
		for _, id := range list {
			if r.Float64() >= share {
				continue
			}
			role := roles[weights[r.IntN(len(weights))]%len(roles)]
			if _, err := s.assign(s.app.id, id, role); err != nil {
				return err
			}
			if r.Float64() < 0.05 { // the same principal a second time
				if _, err := s.assign(s.app.id, id, s.freshID()); err != nil {
					return err
				}
			}
		}
		return nil
	}
	mostly := []int{1, 1, 1, 1, 0, 0, 2, 2, 3, 4}
	if err := some(people, 0.1, mostly); err != nil {
		return err
	}
	if err := some(ids, 0.3, mostly); err != nil {
		return err
	}
	other := s.addApp("Another App", nil)
	_, err := s.assign(s.app.id, other.id, s.app.roles[0].ID)
	return err
}
