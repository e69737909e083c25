package ssm

import (
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
)

// checkName takes the names of new parameters: letters, digits and .-_ in up to 15 levels, and no name that AWS keeps for
// itself. (Systems Manager API Reference, PutParameter, Name.)
func checkName(name string) error {
	if name == "" || len(name) > 1011 {
		return invalid("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must have length between 1 and 1011", name)
	}
	bare := strings.ToLower(strings.TrimPrefix(name, "/"))
	const form = "If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_"
	switch {
	case strings.HasPrefix(bare, "aws"):
		return fault.New("AccessDeniedException", "No access to reserved parameter name: %s.", name)
	case strings.HasPrefix(bare, "ssm"):
		return invalid(`Parameter name: can't be prefixed with "ssm" (case-insensitive). %s`, form)
	case strings.Contains(name, "/") && name[0] != '/':
		return invalid("Parameter name must be a fully qualified name.")
	case strings.Count(name, "/") > 15:
		return fault.New("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")
	case strings.HasSuffix(name, "/"), strings.Contains(name, "//"), !made(name, "/"):
		return invalid("Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). %s", form)
	}
	return nil
}

// made reports whether s has letters, digits, .-_ and the bytes of extra alone.
func made(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-_", c) >= 0 || strings.IndexByte(extra, c) >= 0) {
			return false
		}
	}
	return true
}

// Selector splits what a reader asks for: a name, or one with a version's number or a label behind a colon, or a parameter's
// ARN, which is of the region asked. (Systems Manager API Reference, GetParameter, Name.)
func (s *Service) selector(region, asked string) (name, selector string, err error) {
	if arn.Is(asked) {
		rest, ok := strings.CutPrefix(asked, s.ARN(region, ""))
		if !ok || rest == "" {
			return "", "", invalid("The ARN %s is not one of a parameter of this account in %s.", asked, region)
		}
		asked = rest
		if name, _, _ := strings.Cut(rest, ":"); strings.Contains(rest, "/") || !s.there(region, name) {
			asked = "/" + rest // a name in levels begins with a slash, and any other may
		}
	}
	name, selector, _ = strings.Cut(asked, ":")
	if name == "" || strings.Contains(selector, ":") {
		return "", "", invalid("Invalid parameter name. Please use correct syntax for referencing a version/label  <name>:<version/label>")
	}
	return name, selector, nil
}

func (s *Service) there(region, name string) bool {
	_, ok := s.find(region, name)
	return ok
}
