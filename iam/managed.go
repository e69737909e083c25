package iam

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"
)

// managedJSON is the AWS managed policies that can be attached. AWS Managed Policy Reference Guide, but for
// ReadOnlyAccess and ViewOnlyAccess, which name the services that are served here (docs/aws-differences.md).
//
//go:embed managed.json
var managedJSON []byte

// loadManaged compiles all of them, by ARN.
func (s *Service) loadManaged() error {
	var list []struct {
		Name, Path       string
		Default          int // number of the one version there is
		Created, Updated time.Time
		Document         json.RawMessage
	}
	if err := json.Unmarshal(managedJSON, &list); err != nil {
		return fmt.Errorf("managed policies: %w", err)
	}
	s.managed = make(map[string]*entity, len(list))
	for _, m := range list {
		e := &entity{class: policies, arn: "arn:aws:iam::aws:policy" + m.Path + m.Name, record: record{
			Name: m.Name, Path: m.Path, Created: m.Created, Updated: m.Updated, Default: m.Default, Last: m.Default,
			Versions: []version{{Number: m.Default, Document: string(m.Document), Created: m.Updated}},
		}}
		e.ID = managedID(e.arn)
		if s.compileManaged(e); e.document == nil {
			return fmt.Errorf("managed policy %s cannot be read", e.arn)
		}
		s.managed[e.arn] = e
	}
	return nil
}
