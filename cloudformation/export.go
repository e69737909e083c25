package cloudformation

import (
	"context"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// exported is the value under which a stack exports something.
type exported struct{ stackID, name, value string }

func exportKey(region, name string) string { return region + "\x00" + name }

// export makes known what a stack exports, and nothing else of it. s.mu is held, or nobody else is there yet.
func (s *Service) export(v *view) {
	for k, x := range s.exports {
		if x.stackID == v.ID {
			delete(s.exports, k)
		}
	}
	if !v.live() {
		return
	}
	for _, o := range v.Outputs {
		if o.Export != "" {
			s.exports[exportKey(v.Region, o.Export)] = exported{v.ID, o.Export, o.Value}
		}
	}
}

// importer returns how Fn::ImportValue finds values in the region.
func (s *Service) importer(region string) func(string) (string, error) {
	return func(name string) (string, error) {
		s.mu.Lock()
		x, ok := s.exports[exportKey(region, name)]
		ok = ok && s.stacks[x.stackID].Status != DeleteInProgress
		s.mu.Unlock()
		if !ok {
			return "", fault.New("ValidationError", "No export named %s found.", name)
		}
		return x.value, nil
	}
}

// importers returns the names of the stacks that use an export, sorted. s.mu is held.
func (s *Service) importers(region, name string) []string {
	var out []string
	for _, v := range s.stacks {
		uses := slices.Contains(v.Imports, name) || v.Operation != nil && v.Operation.Previous != nil && slices.Contains(v.Operation.Previous.Imports, name)
		if v.live() && v.Region == region && uses {
			out = append(out, v.Name)
		}
	}
	slices.Sort(out)
	return out
}

// reserve claims the exports among the outputs for a stack in the place of those that it has. It is refused when another
// stack exports the name, and when what another stack imports would change or go.
// CloudFormation User Guide, "Get exported outputs from a deployed CloudFormation stack".
func (s *Service) reserve(v *view, outputs []Output) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := map[string]string{}
	for _, o := range outputs {
		if o.Export == "" {
			continue
		}
		if x, ok := s.exports[exportKey(v.Region, o.Export)]; ok && x.stackID != v.ID {
			return fault.New("ValidationError", "Export with name %s is already exported by stack %s. Rollback requested by user.", o.Export, s.stacks[x.stackID].Name)
		}
		if _, twice := values[o.Export]; twice {
			return fault.New("ValidationError", "Cannot export output %s. Exported names must be unique within a stack.", o.Key)
		}
		values[o.Export] = o.Value
	}
	for k, x := range s.exports {
		if x.stackID != v.ID {
			continue
		}
		value, kept := values[x.name]
		users := s.importers(v.Region, x.name)
		if len(users) > 0 && (!kept || value != x.value) {
			verb := "update"
			if !kept {
				verb = "delete"
			}
			return fault.New("ValidationError", "Cannot %s export %s as it is in use by %s.", verb, x.name, strings.Join(users, ", "))
		}
		if !kept {
			delete(s.exports, k)
		}
	}
	for name, value := range values {
		s.exports[exportKey(v.Region, name)] = exported{v.ID, name, value}
	}
	return nil
}

// Export is an output that other stacks of the region may use.
type Export struct{ StackID, Name, Value string }

// Exports returns all of the region, by name.
func (s *Service) Exports(ctx context.Context, c iam.Caller, region string) ([]Export, error) {
	if err := s.ask(ctx, c, "ListExports", "*", nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Export
	for _, k := range sortedKeys(s.exports) {
		if x := s.exports[k]; strings.HasPrefix(k, region+"\x00") {
			out = append(out, Export{x.stackID, x.name, x.value})
		}
	}
	return out, nil
}

// Imports returns the names of the stacks that use the export.
func (s *Service) Imports(ctx context.Context, c iam.Caller, region, name string) ([]string, error) {
	if err := s.ask(ctx, c, "ListImports", "*", nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.exports[exportKey(region, name)]; !ok {
		return nil, fault.New("ValidationError", "Export '%s' does not exist", name)
	}
	users := s.importers(region, name)
	if len(users) == 0 {
		return nil, fault.New("ValidationError", "Export '%s' is not imported by any stack.", name)
	}
	return users, nil
}
