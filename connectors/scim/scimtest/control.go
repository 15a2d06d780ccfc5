package scimtest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

const controlPrefix = "/_app/"

// controlHandler serves under /_app/ what the Go methods offer:
//
//	GET    /_app/state            numbers of users and groups; ?full=true: all of them
//	DELETE /_app/state            removes all users and groups
//	POST   /_app/users            seeds a user; answers {"id": …}
//	POST   /_app/groups           seeds a group
//	GET    /_app/resources/{id}   one snapshot
//	PUT    /_app/resources/{id}   replaces its attributes
//	DELETE /_app/resources/{id}   removes it
//	GET    /_app/quirks           the quirks
//	PATCH  /_app/quirks           changes those in the body, leaves the others
//	PUT    /_app/quirks           replaces all
//	GET    /_app/faults           planned faults with counts
//	POST   /_app/faults           plans one; answers {"id": …}
//	DELETE /_app/faults           forgets all
//	DELETE /_app/faults/{id}      forgets one
//	GET    /_app/stats            counts of requests
//	DELETE /_app/stats            sets them to zero and empties the log
//	GET    /_app/log              the newest requests
func (s *Server) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_app/state", s.controlState)
	mux.HandleFunc("DELETE /_app/state", func(w http.ResponseWriter, _ *http.Request) {
		s.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_app/users", func(w http.ResponseWriter, r *http.Request) {
		s.controlSeed(w, r, func(v map[string]any) (string, error) { return s.AddUser(v) })
	})
	mux.HandleFunc("POST /_app/groups", func(w http.ResponseWriter, r *http.Request) {
		s.controlSeed(w, r, func(v map[string]any) (string, error) { return s.AddGroup(v) })
	})
	mux.HandleFunc("GET /_app/resources/{id}", func(w http.ResponseWriter, r *http.Request) {
		found, ok := s.ByID(r.PathValue("id"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		reply(w, http.StatusOK, found)
	})
	mux.HandleFunc("PUT /_app/resources/{id}", s.controlPut)
	mux.HandleFunc("DELETE /_app/resources/{id}", func(w http.ResponseWriter, r *http.Request) {
		gone(w, r, s.Delete(r.PathValue("id")))
	})
	mux.HandleFunc("GET /_app/quirks", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, quirksOnWire(s.Quirks()))
	})
	mux.HandleFunc("PATCH /_app/quirks", func(w http.ResponseWriter, r *http.Request) { s.controlQuirks(w, r, s.Quirks()) })
	mux.HandleFunc("PUT /_app/quirks", func(w http.ResponseWriter, r *http.Request) {
		s.controlQuirks(w, r, Quirks{RequireToken: s.Quirks().RequireToken})
	})
	mux.HandleFunc("GET /_app/faults", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, faultsOnWire(s.Faults()))
	})
	mux.HandleFunc("POST /_app/faults", s.controlFault)
	mux.HandleFunc("DELETE /_app/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_app/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		gone(w, r, err == nil && s.RemoveFault(id))
	})
	mux.HandleFunc("GET /_app/stats", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, s.Requests())
	})
	mux.HandleFunc("DELETE /_app/stats", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetCounts()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_app/log", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, s.Log())
	})
	return mux
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the caller went away
}

func gone(w http.ResponseWriter, r *http.Request, ok bool) {
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func complain(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}

// readControl decodes a body strictly, so that a misspelt field is an error and not a surprise.
func readControl(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBodyBytes))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (s *Server) controlState(w http.ResponseWriter, r *http.Request) {
	users, groups := s.Size()
	state := map[string]any{"users": users, "groups": groups, "basePath": s.base}
	if r.URL.Query().Get("full") == "true" {
		state["userList"], state["groupList"] = s.Users(), s.Groups()
	}
	reply(w, http.StatusOK, state)
}

func (s *Server) controlSeed(w http.ResponseWriter, r *http.Request, add func(map[string]any) (string, error)) {
	var v map[string]any
	if err := readControl(r, &v); err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	id, err := add(v)
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusCreated, map[string]string{"id": id})
}

func (s *Server) controlPut(w http.ResponseWriter, r *http.Request) {
	var v map[string]any
	err := readControl(r, &v)
	if err == nil {
		err = s.Put(r.PathValue("id"), v)
	}
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// wireQuirks are quirks whose durations are written as "1.5s".
type wireQuirks struct {
	*Quirks
	Latency      string `json:"latency,omitempty"`
	SlowCreate   string `json:"slowCreate,omitempty"`
	VisibleAfter string `json:"visibleAfter,omitempty"`
}

func quirksOnWire(q Quirks) wireQuirks {
	w := wireQuirks{Quirks: &q}
	for d, text := range w.durations() {
		if *d != 0 {
			*text = d.String()
		}
	}
	return w
}

// durations pairs the fields of Quirks with their text.
func (w *wireQuirks) durations() map[*time.Duration]*string {
	return map[*time.Duration]*string{
		&w.Quirks.Latency: &w.Latency, &w.Quirks.SlowCreate: &w.SlowCreate, &w.Quirks.VisibleAfter: &w.VisibleAfter,
	}
}

func (s *Server) controlQuirks(w http.ResponseWriter, r *http.Request, q Quirks) {
	in := wireQuirks{Quirks: &q}
	if err := readControl(r, &in); err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	for d, text := range in.durations() {
		if *text == "" {
			continue
		}
		parsed, err := time.ParseDuration(*text)
		if err != nil {
			complain(w, http.StatusBadRequest, err)
			return
		}
		*d = parsed
	}
	s.SetQuirks(q)
	reply(w, http.StatusOK, quirksOnWire(q))
}

// wireFault is a fault whose delay is written as "1.5s".
type wireFault struct {
	Fault
	Delay string `json:"delay,omitempty"`
}

type wireFaultState struct {
	ID   int `json:"id"`
	Seen int `json:"seen"`
	Hits int `json:"hits"`
	wireFault
}

func faultsOnWire(faults []FaultState) []wireFaultState {
	out := make([]wireFaultState, len(faults))
	for i, f := range faults {
		out[i] = wireFaultState{f.ID, f.Seen, f.Hits, wireFault{Fault: f.Fault}}
		if f.Delay != 0 {
			out[i].Delay = f.Delay.String()
		}
	}
	return out
}

func (s *Server) controlFault(w http.ResponseWriter, r *http.Request) {
	var in wireFault
	if err := readControl(r, &in); err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	if in.Delay != "" {
		d, err := time.ParseDuration(in.Delay)
		if err != nil {
			complain(w, http.StatusBadRequest, err)
			return
		}
		in.Fault.Delay = d
	}
	id, err := s.AddFault(in.Fault)
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	reply(w, http.StatusCreated, map[string]int{"id": id})
}
