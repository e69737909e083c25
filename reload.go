package glassine

import (
	"glassine/edge"
	"glassine/edge/certdir"
)

// Live are the fields of Config that may change while a System serves.
type Live struct {
	CertificateDir string
	Strict         []string
	CacheStatus    bool
}

// Apply changes what is in force to l: all of it, or nothing when the error says what is wrong. A certificate directory that stays
// the same is read again. Requests under way may end by either; what is stored in the cache stays as it is.
func (s *System) Apply(l Live) error {
	if s.succession != nil {
		return s.succession.apply(l)
	}
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	strict, functions, err := strictness(l.Strict)
	if err != nil {
		return err
	}
	c := s.viewers.certificates
	dir := c.dir.Load()
	switch l.CertificateDir {
	case "":
		dir = nil
	case s.live.CertificateDir:
		_, err = dir.Reload()
	default:
		dir, err = certdir.Open(l.CertificateDir, s.cfg.Log)
	}
	if err != nil {
		return err
	}
	s.live = l
	s.Edge.Adjust(edge.Adjustable{Strict: strict, CacheStatus: l.CacheStatus})
	s.Lambda.SetStrictEdge(functions)
	if c.dir.Swap(dir) != dir {
		select {
		case c.moved <- struct{}{}:
		default: // it was told already
		}
	}
	return nil
}

// Reloaded counts a reload of the settings in the metrics; ok is whether they were taken.
func (s *System) Reloaded(ok bool) {
	now := s.now()
	now.metrics.SettingsLoaded(ok, now.cfg.Now())
}
