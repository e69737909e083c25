package ssm

import (
	"context"
	"slices"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// Filter chooses parameters. (Systems Manager API Reference, ParameterStringFilter.)
type Filter struct {
	Key    string // Name, Path, Type, KeyId, Tier, DataType, Label or tag:<key>
	Option string // Equals ("" is it), BeginsWith, or Contains for Name; Recursive or OneLevel ("" is it) for Path
	Values []string
}

// checkFilters gives InvalidFilterKey or InvalidFilterOption for what is no filter.
func checkFilters(filters []Filter) error {
	for _, f := range filters {
		if _, ok := f.of(record{}, version{}); !ok {
			return fault.New("InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [Path, Name, Type, KeyId, Tier, DataType, Label, tag:<key>].", f.Key)
		}
		if f.test() == nil {
			return fault.New("InvalidFilterOption", "The following filter option is not valid: %s.", f.Option)
		}
	}
	return nil
}

// matches reports whether a parameter passes all filters, which were checked.
func matches(r record, v version, filters []Filter) bool {
	for _, f := range filters {
		values, _ := f.of(r, v)
		test := f.test()
		pass := len(f.Values) == 0 && len(values) > 0 // a tag's key alone
		for _, wanted := range f.Values {
			pass = pass || slices.ContainsFunc(values, func(have string) bool { return test(have, wanted) })
		}
		if !pass {
			return false
		}
	}
	return true
}

// of returns what a filter looks at.
func (f Filter) of(r record, v version) (values []string, ok bool) {
	switch f.Key {
	case "Name", "Path":
		return []string{r.Name}, true
	case "Type":
		return []string{v.Type}, true
	case "Tier":
		return []string{v.Tier}, true
	case "DataType":
		return []string{v.DataType}, true
	case "Label":
		return v.Labels, true
	case "KeyId":
		if v.Type == SecureString {
			return []string{DefaultKey}, true
		}
		return nil, true
	}
	tag, ok := strings.CutPrefix(f.Key, "tag:")
	if value, has := r.Tags[tag]; ok && has {
		return []string{value}, true
	}
	return nil, ok
}

// test is how the filter compares, nil when its option is none.
func (f Filter) test() func(have, wanted string) bool {
	switch {
	case f.Key == "Path" && (f.Option == "" || f.Option == "OneLevel"):
		return func(have, wanted string) bool { return below(have, wanted, false) }
	case f.Key == "Path" && f.Option == "Recursive":
		return func(have, wanted string) bool { return below(have, wanted, true) }
	case f.Key == "Name": // with and without the slash before it
		bare := func(test func(a, b string) bool) func(a, b string) bool {
			return func(a, b string) bool { return test(strings.TrimPrefix(a, "/"), strings.TrimPrefix(b, "/")) }
		}
		switch f.Option {
		case "", "Equals":
			return bare(func(a, b string) bool { return a == b })
		case "BeginsWith":
			return bare(strings.HasPrefix)
		case "Contains":
			return bare(strings.Contains)
		}
	case f.Key != "Path" && (f.Option == "" || f.Option == "Equals"):
		return func(a, b string) bool { return a == b }
	case f.Key != "Path" && f.Option == "BeginsWith":
		return strings.HasPrefix
	}
	return nil
}

// DescribeParameters returns the region's parameters that pass the filters, by their names, without their values.
// (Systems Manager API Reference, DescribeParameters.)
func (s *Service) DescribeParameters(ctx context.Context, c iam.Caller, region string, filters []Filter) ([]Parameter, error) {
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "ssm:DescribeParameters", Resources: []string{arn.New("ssm", region, s.cfg.IAM.Account(), "*").String()}}); err != nil {
		return nil, err
	}
	if err := checkFilters(filters); err != nil {
		return nil, err
	}
	var out []Parameter
	for _, r := range s.all(region) {
		v := r.Versions[len(r.Versions)-1]
		if !matches(r, v, filters) {
			continue
		}
		p, err := s.parameter(r, v, false)
		if err != nil {
			return nil, err
		}
		p.Value = ""
		out = append(out, p)
	}
	return out, nil
}

// DeleteParameter removes a parameter with all its versions. Errors: ParameterNotFound.
// (Systems Manager API Reference, DeleteParameter.)
func (s *Service) DeleteParameter(ctx context.Context, c iam.Caller, region, name string) error {
	return s.remove(ctx, c, "DeleteParameter", region, name)
}

func (s *Service) remove(ctx context.Context, c iam.Caller, action, region, name string) error {
	if err := s.ask(ctx, c, action, region, name, nil); err != nil {
		return err
	}
	if _, ok := s.cfg.Provisioned[name]; ok { // its record stays, without versions
		_, err := s.change(ctx, region, name, func(r *record, exists bool) error {
			if !exists {
				return notFound(name)
			}
			r.Versions, r.Tags = nil, nil
			return nil
		})
		return err
	}
	return s.records.Delete(ctx, key(region, name), func(_ record, exists bool) error {
		if !exists {
			return notFound(name)
		}
		return nil
	})
}

// DeleteParameters removes those of 1 to 10 parameters that there are. (Systems Manager API Reference, DeleteParameters.)
func (s *Service) DeleteParameters(ctx context.Context, c iam.Caller, region string, names []string) (deleted, missing []string, err error) {
	if err := checkMany(names); err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		err := s.remove(ctx, c, "DeleteParameters", region, name)
		switch {
		case fault.Is(err, "ParameterNotFound"):
			missing = append(missing, name)
		case err != nil:
			return nil, nil, err
		default:
			deleted = append(deleted, name)
		}
	}
	return deleted, missing, nil
}
