package cloudformation

import (
	"fmt"
	"strings"
)

// trespass is a warning for the event of a deletion that also removes what other stacks own, or "". It removes it all the same, as
// AWS does, which says nothing: docs/aws-differences.md.
func (c *conductor) trespass(id string, m *Image) string {
	t := c.s.cfg.Types.Find(m.Type)
	if t == nil || t.Removes == nil {
		return ""
	}
	var found []string
	for _, o := range t.Removes(c.request(m, id)) {
		if owner, logical := c.s.owner(c.st.ID, o); owner != "" {
			found = append(found, fmt.Sprintf("%s %s, which is %s of the stack %s", o.Type, o.PhysicalID, logical, owner))
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "Warning: this also deletes " + strings.Join(found, "; ")
}

// owner returns the name of the stack that owns something, of those that are there but for one, and the logical id; "" is none.
func (s *Service) owner(but string, o Owned) (stack, logical string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range sortedKeys(s.stacks) {
		v := s.stacks[key]
		if !v.live() || v.ID == but || o.Region != "" && v.Region != o.Region {
			continue
		}
		for _, id := range v.ids() {
			if r := v.resources[id]; !r.Gone && r.Type == o.Type && r.PhysicalID == o.PhysicalID {
				return v.Name, id
			}
		}
	}
	return "", ""
}
