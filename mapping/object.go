package mapping

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// References are the mappings of single references: source objects (a manager) named directly for a
// target attribute of type Reference. Members are not among them.
func (o *Object) References() []Attribute {
	var out []Attribute
	for i := range o.Attributes {
		if a := &o.Attributes[i]; a.Reference() && a.about().direct != members {
			out = append(out, *a)
		}
	}
	return out
}

// MembersMapped reports whether the members of groups are provisioned.
func (o *Object) MembersMapped() bool {
	for i := range o.Attributes {
		if a := &o.Attributes[i]; a.Reference() && a.about().direct == members {
			return true
		}
	}
	return false
}

// SourceAttributes are the names of all source attributes that mappings and filters read, sorted.
func (o *Object) SourceAttributes() []string {
	names := o.Filter.attributes()
	for i := range o.Attributes {
		if s := o.Attributes[i].Source; s != nil {
			names = append(names, s.Attributes()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Fingerprint is equal for mappings that decide alike. It changes with everything that can change a
// decision: after that, every object has to be evaluated again. Titles of filters do not count.
func (m Mapping) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintln(h, "mapping 1")
	m.Users.describe(h)
	m.Groups.describe(h)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (o *Object) describe(w io.Writer) {
	fmt.Fprintf(w, "object %t %+v %t %t %t\n", o.Enabled, o.Actions, o.NoSoftDelete, o.IgnoreUnresolved, o.ExcludeFromReporting)
	for i, groups := range [][]FilterGroup{o.Filter.Groups, o.Filter.Input, o.Filter.Category} {
		for _, g := range groups {
			fmt.Fprintf(w, "filter %d\n", i)
			for _, c := range g.Clauses {
				fmt.Fprintf(w, "clause %q %q %q\n", c.Attribute, c.Operator, c.Values)
			}
		}
	}
	for i := range o.Attributes {
		a := &o.Attributes[i]
		fmt.Fprintf(w, "attribute %s %+v\n", a.describe(), a.Definition)
	}
}

// describe is equal for mappings that decide alike, given the same definition.
func (a *Attribute) describe() string {
	source := "none"
	if a.Source != nil {
		source = a.Source.String()
	}
	return fmt.Sprintf("%q %q %d %q %q %t %t %t", a.Target, source, a.Match, a.Default, cmp.Or(a.Flow, FlowAlways),
		a.FlowAlways, a.FlowNull, a.ExportMissingReferences)
}
