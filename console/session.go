package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"glassine/aws/sigv4"
	"glassine/console/client"
)

// How long a session lasts: in all, and without a request. And how long a link to log in works.
const (
	sessionLife = 8 * time.Hour
	sessionIdle = 30 * time.Minute
	LinkLife    = time.Minute // from when it was made, once
)

// maxSessions bounds the memory that sessions take; the one that was idle longest makes place.
const maxSessions = 1000

// session is a user who is logged in. It lives in memory alone: a restart logs everybody out.
type session struct {
	creds    sigv4.Credentials // of a session of STS's; never a key that lasts, whoever logged in with one
	key      string            // id of the key that was logged in with
	until    time.Time
	identity client.Identity
	csrf     string // stands in every form
	begun    time.Time
	ctx      context.Context // ends with the session
	end      context.CancelFunc

	mu      sync.Mutex // guards what follows
	last    time.Time
	flashes []flash
	guide   map[string]string // what the walkthrough's forms were given
}

// flash is what a form's success says on the next page.
type flash struct {
	Text   string
	Secret string // shown once, as a new key's
	Calls  []client.Call
}

// key is how a session or a link is found: by the hash of its token, so that no comparison of secrets depends on time.
type key [sha256.Size]byte

func keyOf(token string) key { return sha256.Sum256([]byte(token)) }

// newToken is 256 random bits.
func newToken() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

type link struct {
	creds sigv4.Credentials
	until time.Time
}

// sessions are all users who are logged in. Safe for many goroutines.
type sessions struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows
	all   map[key]*session
	links map[key]link
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[key]*session{}, links: map[key]link{}}
}

// begin makes a session that lasts until then at most, and returns the token of its cookie.
func (s *sessions) begin(creds sigv4.Credentials, who client.Identity, key string, until time.Time) (token string, made *session) {
	token = newToken()
	now := s.now()
	if longest := now.Add(sessionLife); until.IsZero() || until.After(longest) {
		until = longest
	}
	made = &session{creds: creds, key: key, until: until, identity: who, csrf: newToken(), begun: now, last: now, guide: map[string]string{}}
	made.ctx, made.end = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	if len(s.all) >= maxSessions {
		s.dropIdlest()
	}
	s.all[keyOf(token)] = made
	return token, made
}

// find returns the session of a cookie's token and notes that it was used; nil for none.
func (s *sessions) find(token string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[keyOf(token)]
	if found == nil {
		return nil
	}
	now := s.now()
	if found.over(now) {
		found.end()
		delete(s.all, keyOf(token))
		return nil
	}
	found.mu.Lock()
	found.last = now
	found.mu.Unlock()
	return found
}

// drop ends a session.
func (s *sessions) drop(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.all[keyOf(token)]; found != nil {
		found.end()
		delete(s.all, keyOf(token))
	}
}

// link makes the token of a link that logs in with creds.
func (s *sessions) link(creds sigv4.Credentials) string {
	token := newToken()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.sweep(now)
	s.links[keyOf(token)] = link{creds, now.Add(LinkLife)}
	return token
}

// redeem takes a link's token: it works once.
func (s *sessions) redeem(token string) (sigv4.Credentials, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.links[keyOf(token)]
	delete(s.links, keyOf(token))
	return found.creds, ok && s.now().Before(found.until)
}

// sweep forgets what is over. The caller holds mu.
func (s *sessions) sweep(now time.Time) {
	for k, v := range s.all {
		if v.over(now) {
			v.end()
			delete(s.all, k)
		}
	}
	for k, l := range s.links {
		if !now.Before(l.until) {
			delete(s.links, k)
		}
	}
}

// dropIdlest ends the session that was used least lately. The caller holds mu.
func (s *sessions) dropIdlest() {
	var oldest key
	var at time.Time
	for k, v := range s.all {
		if last := v.lastUse(); at.IsZero() || last.Before(at) {
			oldest, at = k, last
		}
	}
	s.all[oldest].end()
	delete(s.all, oldest)
}

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.all {
		v.end()
		delete(s.all, k)
	}
}

func (s *session) lastUse() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *session) over(now time.Time) bool {
	return !now.Before(s.until) || now.Sub(s.lastUse()) >= sessionIdle
}

// say keeps a flash for the next page.
func (s *session) say(f flash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flashes = append(s.flashes, f)
}

// said takes the flashes.
func (s *session) said() []flash {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.flashes
	s.flashes = nil
	return out
}
