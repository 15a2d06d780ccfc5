package scim

import (
	"maps"
	"slices"
)

// preset is what is publicly known about one application (scim-quirks.md section 11). It fills
// settings that are empty; every value can be changed in the configuration.
type preset struct {
	profile     Profile
	dialect062  bool
	rate        float64
	rates       Rates
	pageSize    int
	perPatch    int
	removeStyle string
	readable    string
	etag        string
	filterPaths *bool
	pathlessOK  *bool
}

// presets by the value of app. The quirk ids name the rows that a value follows.
var presets = map[string]preset{
	"webex":      {profile: Entra, pageSize: 100, perPatch: 100, readable: "no"},                                                                            // W7, W11
	"aws-iic":    {profile: Entra, dialect062: true, pageSize: 50, perPatch: 100, readable: "no", removeStyle: "auto", etag: "off", pathlessOK: new(false)}, // A1–A10
	"github":     {profile: Entra, rates: Rates{CreateUser: Rate{PerSecond: 1000.0 / 3600, Burst: 10}}, removeStyle: "valueArray", filterPaths: new(false)}, // G2, G5
	"slack":      {profile: Entra, rates: Rates{Write: Rate{PerSecond: 10, Burst: 180}, CreateUser: Rate{PerSecond: 3, Burst: 20}}},                         // SL1
	"salesforce": {profile: Entra, pageSize: 200},                                                                                                           // F1–F4
	"snowflake":  {profile: Entra},                                                                                                                          // S1, S2
	"databricks": {profile: Entra, removeStyle: "filter", rate: 5},                                                                                          // D2, D3
	"zoom":       {profile: Entra},                                                                                                                          // Z1
	"miro":       {profile: Entra, rates: Rates{GroupPatch: Rate{PerSecond: 5.0 / 30, Burst: 5}}, perPatch: 1000},                                           // O7
	"chainguard": {profile: Entra, filterPaths: new(false)},                                                                                                 // O2
	"generic":    {profile: Entra, removeStyle: "auto"},
}

// Apps are the names of the presets, in order.
func Apps() []string { return slices.Sorted(maps.Keys(presets)) }

// fill sets what c leaves open.
func (p preset) fill(c *Config) {
	fill(&c.Profile, p.profile)
	fill(&c.Rate, p.rate)
	fill(&c.Rates.Write, p.rates.Write)
	fill(&c.Rates.CreateUser, p.rates.CreateUser)
	fill(&c.Rates.GroupPatch, p.rates.GroupPatch)
	fill(&c.Page.Size, p.pageSize)
	fill(&c.Members.PerPatch, p.perPatch)
	fill(&c.Members.RemoveStyle, p.removeStyle)
	fill(&c.Members.Readable, p.readable)
	fill(&c.ETag, p.etag)
	fill(&c.Capabilities.FilterPaths, p.filterPaths)
	fill(&c.Capabilities.PathlessOK, p.pathlessOK)
}

func fill[T comparable](have *T, want T) {
	var zero T
	if *have == zero {
		*have = want
	}
}
