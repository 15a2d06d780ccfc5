package scim

// shape is how the same meaning is put on the wire: the rows of section 25 in which servers
// differ. It starts from the profile and its dialect, overrides of the configuration and the preset,
// and is changed by what shape repair has learned (section 26).
type shape struct {
	lowerOps       bool // "add" instead of "Add"
	textBooleans   bool // "True" instead of true in PATCH
	pathless       bool // simple attributes merged into one operation without path
	rolesAsText    bool // complex elements as JSON text inside value
	managerObject  bool // {"value": id} instead of a bare id
	managerRemove  bool // manager cleared by remove instead of by replace with ""
	wholeElement   bool // a typed element that is absent is added as a whole to its attribute
	filterPaths    bool // PATCH paths with a value filter are used
	noAdd          bool // replace where add would do
	quotedBooleans bool // booleans in path filters as the mapping quotes them
	removeByFilter bool // members[value eq "…"] instead of a value list
	nullRef        bool // "$ref": null in member entries
	put            bool // whole resource by PUT
	otherUsers     bool // schemas of a new user in the form of the other profile
	otherGroups    bool // the same for a new group
	media          media
	interop        bool // the server declares the interoperability profile (7.6)
}

// media is the form of the media type on requests; each may only go further down (repair R8).
type media int

const (
	mediaOfProfile media = iota
	mediaBare            // without parameters: some servers compare the whole header
	mediaJSON            // application/json
)

func startShape(s *settings) shape {
	var sh shape
	switch {
	case s.Profile == RFC7644:
		sh = shape{lowerOps: true, managerObject: true, managerRemove: true, wholeElement: true, removeByFilter: true}
	case s.base.dialect062:
		sh = shape{lowerOps: true, pathless: true, removeByFilter: true, nullRef: true}
	default:
		sh = shape{textBooleans: true, rolesAsText: true, quotedBooleans: true, nullRef: true}
	}
	sh.filterPaths = true
	switch s.Members.RemoveStyle {
	case "valueArray":
		sh.removeByFilter = false
	case "filter", "auto":
		sh.removeByFilter = true
	}
	switch s.User.ActiveEncoding {
	case "bool":
		sh.textBooleans = false
	case "titleString":
		sh.textBooleans = true
	}
	sh.put = s.User.UpdateMethod == "put"
	override(&sh.filterPaths, s.Capabilities.FilterPaths)
	override(&sh.lowerOps, s.Capabilities.LowerCaseOps)
	if ok := s.Capabilities.PathlessOK; ok != nil && !*ok {
		sh.pathless = false
	}
	switch s.Capabilities.ManagerStyle {
	case "string":
		sh.managerObject = false
	case "object":
		sh.managerObject = true
	}
	return sh
}

func override(v *bool, by *bool) {
	if by != nil {
		*v = *by
	}
}
