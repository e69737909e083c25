package ssm

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// Parameter is one version of a parameter.
type Parameter struct {
	Name, Region, ARN string
	Type, DataType    string
	// Value of a SecureString that was read without decryption is its ciphertext in base64.
	Value          string
	Version        int64
	Selector       string // what it was asked by, colon and all: ":3"; or ""
	Description    string
	AllowedPattern string
	KeyID          string // of a SecureString
	Tier           string
	Labels         []string
	Modified       time.Time
	ModifiedBy     string // ARN of who did
}

// parameter makes what readers get of a version.
func (s *Service) parameter(r record, v version, decrypt bool) (Parameter, error) {
	p := Parameter{
		Name: r.Name, Region: r.Region, ARN: s.ARN(r.Region, r.Name), Type: v.Type, DataType: v.DataType, Value: v.Value, Version: v.Number,
		Description: v.Description, AllowedPattern: v.AllowedPattern, Tier: v.Tier, Labels: v.Labels, Modified: v.Modified, ModifiedBy: v.ModifiedBy,
	}
	if v.Type != SecureString {
		return p, nil
	}
	p.KeyID = DefaultKey
	if !decrypt {
		p.Value = base64.StdEncoding.EncodeToString(v.Sealed)
		return p, nil
	}
	var err error
	p.Value, err = s.decrypt(r.Region, r.Name, v.Number, v.Sealed)
	return p, err
}

// pick returns the version that a selector names: a number, a label, or "" for the newest.
func (r record) pick(selector string) (version, error) {
	if selector == "" {
		return r.Versions[len(r.Versions)-1], nil
	}
	number, err := strconv.ParseInt(selector, 10, 64)
	for _, v := range r.Versions {
		if err == nil && v.Number == number || slices.Contains(v.Labels, selector) {
			return v, nil
		}
	}
	if err == nil {
		return version{}, fault.New("ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.", selector, r.Name)
	}
	return version{}, fault.New("ParameterVersionNotFound", "Systems Manager could not find label %s of %s. Verify the label and try again.", selector, r.Name)
}

// GetParameter returns a parameter by its name, name:version, name:label or ARN, a SecureString decrypted or not.
// Errors: ParameterNotFound, ParameterVersionNotFound. (Systems Manager API Reference, GetParameter.)
func (s *Service) GetParameter(ctx context.Context, c iam.Caller, region, asked string, decrypt bool) (Parameter, error) {
	return s.read(ctx, c, "GetParameter", region, asked, decrypt)
}

func (s *Service) read(ctx context.Context, c iam.Caller, action, region, asked string, decrypt bool) (Parameter, error) {
	name, selector, err := s.selector(region, asked)
	if err != nil {
		return Parameter{}, err
	}
	if err := s.ask(ctx, c, action, region, name, nil); err != nil {
		return Parameter{}, err
	}
	r, ok := s.find(region, name)
	if !ok {
		return Parameter{}, notFound(name)
	}
	v, err := r.pick(selector)
	if err != nil {
		return Parameter{}, err
	}
	p, err := s.parameter(r, v, decrypt)
	if selector != "" {
		p.Selector = ":" + selector
	}
	return p, err
}

// GetParameters returns those of 1 to 10 parameters that there are, by their names, and what was asked for in vain.
// (Systems Manager API Reference, GetParameters.)
func (s *Service) GetParameters(ctx context.Context, c iam.Caller, region string, asked []string, decrypt bool) (found []Parameter, missing []string, err error) {
	if err := checkMany(asked); err != nil {
		return nil, nil, err
	}
	for _, name := range asked {
		p, err := s.read(ctx, c, "GetParameters", region, name, decrypt)
		switch {
		case fault.Is(err, "ParameterNotFound"), fault.Is(err, "ParameterVersionNotFound"):
			missing = append(missing, name)
		case err != nil:
			return nil, nil, err
		default:
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b Parameter) int { return strings.Compare(a.Name, b.Name) })
	return found, missing, nil
}

func checkMany(names []string) error {
	if len(names) == 0 || len(names) > 10 {
		return invalid("1 validation error detected: Value '%v' at 'names' failed to satisfy constraint: Member must have length between 1 and 10", names)
	}
	if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) {
		return invalid("Duplicated parameters are not allowed in request.")
	}
	return nil
}

// GetParametersByPath returns the parameters below a path, which begins with a slash, by their names: one level of them, or
// all. (Systems Manager API Reference, GetParametersByPath.)
func (s *Service) GetParametersByPath(ctx context.Context, c iam.Caller, region, path string, recursive, decrypt bool, filters []Filter) ([]Parameter, error) {
	// The resource is the path as it was given, a slash behind it included. (Seen in refusals of AWS.)
	resource := arn.New("ssm", region, s.cfg.IAM.Account(), "parameter/"+strings.TrimPrefix(path, "/")).String()
	keys := iam.Context{"ssm:recursive": {strconv.FormatBool(recursive)}}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "ssm:GetParametersByPath", Resources: []string{resource}, Context: keys}); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(path, "/") || !made(path, "/") {
		return nil, invalid(`The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "/". It can't be prefixed with "aws" or "ssm" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol "/". Valid example: /get/parameters2-/by1./path0_.`)
	}
	for _, f := range filters {
		if !slices.Contains([]string{"Type", "KeyId", "Label"}, f.Key) {
			return nil, fault.New("InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [Type, KeyId, Label].", f.Key)
		}
	}
	if err := checkFilters(filters); err != nil {
		return nil, err
	}
	var out []Parameter
	for _, r := range s.all(region) {
		if !below(r.Name, path, recursive) {
			continue
		}
		v := r.Versions[len(r.Versions)-1]
		for _, f := range filters {
			if f.Key != "Label" {
				continue
			}
			for _, w := range r.Versions {
				if slices.ContainsFunc(f.Values, func(l string) bool { return slices.Contains(w.Labels, l) }) {
					v = w // a version by its label, older or not
				}
			}
		}
		if !matches(r, v, filters) {
			continue
		}
		p, err := s.parameter(r, v, decrypt)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// below reports whether a name stands under a path. What has no slash before it stands under none but the root.
func below(name, path string, recursive bool) bool {
	if name[0] != '/' {
		name = "/" + name
	}
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(path, "/")+"/")
	return ok && rest != "" && (recursive || !strings.Contains(rest, "/"))
}

// GetParameterHistory returns all versions that are kept, oldest first. (Systems Manager API Reference, GetParameterHistory.)
func (s *Service) GetParameterHistory(ctx context.Context, c iam.Caller, region, name string, decrypt bool) ([]Parameter, error) {
	if err := s.ask(ctx, c, "GetParameterHistory", region, name, nil); err != nil {
		return nil, err
	}
	r, ok := s.find(region, name)
	if !ok {
		return nil, notFound(name)
	}
	var out []Parameter
	for _, v := range r.Versions {
		p, err := s.parameter(r, v, decrypt)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
