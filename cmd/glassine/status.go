package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"glassine"
	"glassine/console/client"
	"glassine/telemetry"
)

type statusCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Admin       string `help:"Address of the admin port." default:"127.0.0.1:7070" env:"GLASSINE_ADMIN"`
}

// serverStatus is what runs. Parts that could not be asked are nil, and Problems says why.
type serverStatus struct {
	Version   string
	Ready     bool
	ProcessID int        `json:"ProcessId,omitempty"`
	Started   *time.Time `json:",omitempty"`
	Memory    int64      `json:"MemoryBytes,omitempty"` // resident
	Data      string     `json:"DataDirectory"`
	Endpoint  string
	Admin     string
	Checks    []readyCheck `json:",omitempty"`
	Edge      *edgeStatus  `json:",omitempty"`
	Holds     *holdings    `json:",omitempty"`
	Problems  []string     `json:",omitempty"`
}

// readyCheck is one line of /readyz?verbose.
type readyCheck struct {
	Name   string
	OK     bool
	Detail string `json:",omitempty"`
}

// edgeStatus is what the edge counted since the start.
type edgeStatus struct {
	Requests, Hits int64
	// HitRatio is hits over requests, 0 before the first request.
	HitRatio      float64
	CachedObjects int64
	CachedBytes   int64
}

// holdings are how many of each thing there are.
type holdings struct {
	Buckets, AccessPoints, ObjectLambdaAccessPoints, Functions, Distributions, Stacks, LogGroups int
}

// statusTime bounds each question.
const statusTime = 5 * time.Second

// Run asks the admin port, and the services as the caller. Nothing that answers on either is an error.
func (c *statusCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*statusTime)
	defer cancel()
	s := &serverStatus{Data: c.Data, Endpoint: c.AWS, Admin: c.Admin}
	var running error
	if s.ProcessID, running = glassine.Running(c.Data); running != nil && !errors.Is(running, glassine.ErrNotRunning) {
		s.Problems = append(s.Problems, running.Error())
	}
	admin := s.askAdmin(ctx)
	services := c.askServices(ctx, s)
	if admin != nil && services != nil {
		if errors.Is(running, glassine.ErrNotRunning) {
			return &card{notReady{fmt.Errorf("no glassine runs on %s", c.Data)}, fmt.Sprintf("nobody holds its lock, and nothing answers on %s or %s", c.AWS, c.Admin), "glassine up"}
		}
		return &card{notReady{errors.Join(admin, services)}, "neither the admin port nor the AWS endpoint answers", "glassine doctor"}
	}
	for _, err := range []error{admin, services} {
		if err != nil {
			s.Problems = append(s.Problems, err.Error())
		}
	}
	err := c.print(s, s.write)
	if err == nil && admin == nil && !s.Ready {
		err = notReady{errors.New("glassine runs and is not ready")}
	}
	return err
}

// askAdmin asks for readiness and metrics.
func (s *serverStatus) askAdmin(ctx context.Context) error {
	status, body, err := askAdmin(ctx, s.Admin, "/readyz?verbose")
	if err != nil {
		return err
	}
	s.Ready = status == http.StatusOK
	s.Checks = readyChecks(body)
	status, body, err = askAdmin(ctx, s.Admin, "/metrics")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("what answers on %s is not glassine's admin port: status %d", s.Admin, status)
	}
	s.metrics(body)
	return nil
}

// askAdmin returns the answer of the admin port at a path.
func askAdmin(ctx context.Context, admin, path string) (status int, body []byte, err error) {
	// Not through a proxy that the environment names: it does not know this machine's loopback.
	web := &http.Client{Timeout: statusTime, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dialed(admin)+path, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	resp, err := web.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("the admin port on %s does not answer: %w", admin, withoutURL(err))
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 8<<20)) // 8 MiB: metrics of many functions
	return resp.StatusCode, body, err
}

// readyChecks reads the answer of /readyz?verbose, nil of any other.
func readyChecks(body []byte) (out []readyCheck) {
	var answer struct {
		Checks []struct {
			Name   string `json:"name"`
			OK     bool   `json:"ok"`
			Detail string `json:"detail"`
		} `json:"checks"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil
	}
	for _, c := range answer.Checks {
		out = append(out, readyCheck(c))
	}
	return out
}

// metrics takes what is shown from what the program exports.
func (s *serverStatus) metrics(text []byte) {
	edge := &edgeStatus{}
	seen := false
	for m := range telemetry.Samples(bytes.NewReader(text)) {
		switch m.Name {
		case "process_start_time_seconds":
			at := time.Unix(int64(m.Value), 0).UTC()
			s.Started = &at
		case "process_resident_memory_bytes":
			s.Memory = int64(m.Value)
		case "glassine_build_info":
			s.Version = m.Labels["version"]
		case "glassine_edge_requests_total":
			seen = true
			edge.Requests += int64(m.Value)
			if result := m.Labels["result"]; result == "Hit" || result == "RefreshHit" {
				edge.Hits += int64(m.Value)
			}
		case "glassine_edge_cache_objects":
			seen = true
			edge.CachedObjects += int64(m.Value)
		case "glassine_edge_cache_bytes":
			seen = true
			edge.CachedBytes += int64(m.Value)
		}
	}
	if edge.Requests > 0 {
		edge.HitRatio = float64(edge.Hits) / float64(edge.Requests)
	}
	if seen {
		s.Edge = edge
	}
}

// askServices counts what there is, all at once. What the caller may not list is a problem, and the rest is counted.
func (c *statusCmd) askServices(ctx context.Context, s *serverStatus) error {
	caller, err := c.caller()
	if err != nil {
		return err
	}
	if _, err := caller.GetCallerIdentity(ctx); err != nil {
		return fmt.Errorf("the AWS endpoint on %s: %w", c.AWS, withoutURL(err))
	}
	s.Holds = &holdings{}
	var mu sync.Mutex // guards s.Problems
	var all sync.WaitGroup
	ask := func(what string, into *int, list func(*client.Client) (int, error)) {
		all.Go(func() {
			n, err := list(caller)
			*into = n
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				s.Problems = append(s.Problems, what+": "+err.Error())
			}
		})
	}
	ask("buckets", &s.Holds.Buckets, func(c *client.Client) (int, error) { x, err := c.ListBuckets(ctx); return len(x), err })
	ask("access points", &s.Holds.AccessPoints, func(c *client.Client) (int, error) { x, err := c.ListAccessPoints(ctx, ""); return len(x), err })
	ask("Object Lambda access points", &s.Holds.ObjectLambdaAccessPoints, func(c *client.Client) (int, error) { x, err := c.ListObjectLambdas(ctx); return len(x), err })
	ask("functions", &s.Holds.Functions, func(c *client.Client) (int, error) { x, err := c.ListFunctions(ctx); return len(x), err })
	ask("distributions", &s.Holds.Distributions, func(c *client.Client) (int, error) { x, err := c.ListDistributions(ctx); return len(x), err })
	ask("stacks", &s.Holds.Stacks, func(c *client.Client) (int, error) { x, err := c.DescribeStacks(ctx, ""); return len(x), err })
	ask("log groups", &s.Holds.LogGroups, func(c *client.Client) (int, error) { x, err := c.DescribeLogGroups(ctx); return len(x), err })
	all.Wait()
	slices.Sort(s.Problems)
	return nil
}

// write is the status for people.
func (s *serverStatus) write(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	state := painted(os.Stdout, green, "ready")
	if !s.Ready {
		state = painted(os.Stdout, red, "not ready")
	}
	line("glassine", "%s", strings.TrimSpace(s.Version+" "+state))
	if s.ProcessID != 0 || s.Started != nil {
		var parts []string
		if s.ProcessID != 0 {
			parts = append(parts, strconv.Itoa(s.ProcessID))
		}
		if s.Started != nil {
			parts = append(parts, "for "+time.Since(*s.Started).Round(time.Second).String())
		}
		if s.Memory > 0 {
			parts = append(parts, shownSize(s.Memory)+" resident")
		}
		line("process", "%s", strings.Join(parts, ", "))
	}
	line("data", "%s", s.Data)
	line("AWS endpoint", "%s", s.Endpoint)
	line("admin port", "%s", s.Admin)
	if e := s.Edge; e != nil {
		line("edge", "%d requests, %.1f%% hits", e.Requests, 100*e.HitRatio)
		line("cache", "%s, %s", counted(int(e.CachedObjects), "object"), shownSize(e.CachedBytes))
	}
	if h := s.Holds; h != nil {
		line("holds", "%s, %s, %s", counted(h.Buckets, "bucket"), counted(h.AccessPoints, "access point"), counted(h.ObjectLambdaAccessPoints, "Object Lambda access point"))
		line("", "%s, %s, %s, %s", counted(h.Functions, "function"), counted(h.Distributions, "distribution"), counted(h.Stacks, "stack"), counted(h.LogGroups, "log group"))
	}
	for _, c := range s.Checks {
		if !c.OK {
			line("not ready", "%s: %s", c.Name, c.Detail)
		}
	}
	for _, p := range s.Problems {
		line("problem", "%s", p)
	}
	_ = t.Flush() // w is memory
}
