package glassine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"glassine/state"
)

// check is one of the things that readiness depends on.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // what is wrong, or worth knowing
}

// readiness remembers its last look, so that probes cost the disk nothing.
type readiness struct {
	serving, draining atomic.Bool
	turn              chan struct{} // holds who looks
	at                time.Time     // of checks; whoever has the turn uses them
	checks            []check
}

// How long a look is good for, and how much room the disk must have, in bytes: less is a refusal soon.
const (
	lookEvery = 5 * time.Second
	leastRoom = 64 << 20
)

// isReady answers whether requests can be answered: 200 or 503, and what is wrong. With verbose in the query it lists every check.
func (s *System) isReady(w http.ResponseWriter, r *http.Request) {
	checks, err := s.look(r.Context())
	if err != nil {
		return // the client left
	}
	out := struct {
		Status string  `json:"status"` // ready, draining or not ready
		Checks []check `json:"checks,omitempty"`
	}{Status: "ready"}
	all := r.URL.Query().Has("verbose")
	for _, c := range checks {
		if !c.OK {
			out.Status = "not ready"
		}
		if all || !c.OK {
			out.Checks = append(out.Checks, c)
		}
	}
	if s.ready.draining.Load() {
		out.Status = "draining"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if out.Status != "ready" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(out) // a failed write is the client's leaving
}

// look returns the checks, which are at most lookEvery old, but for the listeners, which are of now.
func (s *System) look(ctx context.Context) ([]check, error) {
	select {
	case s.ready.turn <- struct{}{}:
		defer func() { <-s.ready.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if now := time.Now(); s.ready.checks == nil || now.Sub(s.ready.at) >= lookEvery {
		s.ready.at, s.ready.checks = now, s.checks(ctx)
	}
	out := append([]check{s.listening()}, s.ready.checks...)
	return out, nil
}

// listening tells whether the listeners answer.
func (s *System) listening() check {
	c := check{Name: "listeners", OK: s.ready.serving.Load() && !s.ready.draining.Load()}
	if !c.OK {
		c.Detail = "they do not answer yet"
	}
	if s.ready.draining.Load() {
		c.Detail = "the program ends: requests under way are answered, new ones are not"
	}
	return c
}

// checks looks at everything else.
func (s *System) checks(ctx context.Context) []check {
	from := func(name string, err error, fine string) check {
		if err != nil {
			return check{name, false, err.Error()}
		}
		return check{name, true, fine}
	}
	return []check{
		from("state", s.stateWritable(ctx), ""),
		from("store", writable(filepath.Join(s.cfg.Data, "objects")), ""),
		from("disk", s.room(), ""),
		s.isolation(),
		s.cacheLoaded(),
		s.certificatesHold(),
	}
}

// readyTable is the table of a record that is written and taken out again in one step, so that it is known that records can be.
const readyTable = "glassine/ready"

// stateWritable commits nothing to the control plane's file.
func (s *System) stateWritable(ctx context.Context) error {
	return s.records.Commit(ctx, state.Change{Table: readyTable, Key: "probe", Value: []byte("1")}, state.Change{Table: readyTable, Key: "probe"})
}

// room refuses a file system that is nearly full.
func (s *System) room() error {
	free, err := roomFor(s.cfg.Data, filepath.Join(s.cfg.Data, "none"))
	if err != nil {
		return err
	}
	if free < leastRoom {
		return fmt.Errorf("%d bytes are free in %s; %d are needed", free, s.cfg.Data, leastRoom)
	}
	return nil
}

// isolation refuses a machine that holds functions less firmly than the configuration asks for.
func (s *System) isolation() check {
	level, why := s.Isolation()
	c := check{Name: "isolation", OK: s.cfg.Isolation == "" || level == s.cfg.Isolation || level == "strict", Detail: "level " + level}
	for _, reason := range why {
		c.Detail += "; " + reason
	}
	return c
}

// cacheLoaded tells of a cache on disk that is off though it was asked for, which costs speed and no answer.
func (s *System) cacheLoaded() check {
	c := check{Name: "cache", OK: true}
	if err := s.Edge.CacheStats().Disk.Err; err != nil {
		c.Detail = "the cache on disk is off: " + err.Error()
	}
	return c
}

// certificatesHold refuses certificates that have ended. Of those by ACME, one that is not there yet is no reason: it may need this
// program to be reached.
func (s *System) certificatesHold() check {
	var ended []error
	for _, c := range s.certificateTimes() {
		if c.Expiry.Before(s.cfg.Now()) {
			ended = append(ended, fmt.Errorf("the certificate for %s (%s) ended at %s", c.Name, c.Source, c.Expiry.UTC().Format(time.RFC3339)))
		}
	}
	if err := errors.Join(ended...); err != nil {
		return check{"certificates", false, err.Error()}
	}
	return check{Name: "certificates", OK: true}
}
