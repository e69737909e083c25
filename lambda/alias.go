package lambda

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

// Alias is a name for a version, or for two with weights.
type Alias struct {
	Name, Version, Description, RevisionID string
	Weights                                map[string]float64 // of one more version, 0 to 1; the rest is Version's
}

// AliasChange says what an alias is to be: nil leaves a field as it is, or empty in a new alias.
type AliasChange struct {
	Version, Description *string
	Weights              *map[string]float64
	RevisionID           string // refuse when the alias has another
}

func (f Function) alias(name string) (Alias, bool) {
	i, ok := f.findAlias(name)
	if !ok {
		return Alias{}, false
	}
	return f.Aliases[i], true
}

func (f Function) findAlias(name string) (int, bool) {
	return slices.BinarySearchFunc(f.Aliases, name, func(a Alias, name string) int { return strings.Compare(a.Name, name) })
}

// aliasOf names an alias that the version stands in, or "".
func (f Function) aliasOf(version string) string {
	for _, a := range f.Aliases {
		if _, weighted := a.Weights[version]; weighted || a.Version == version {
			return a.Name
		}
	}
	return ""
}

// choose picks the version of an alias for one invocation.
func (a Alias) choose() string {
	for v, weight := range a.Weights {
		if rand.Float64() < weight {
			return v
		}
	}
	return a.Version
}

// check refuses an alias whose versions are not there. (Lambda API Reference, AliasRoutingConfiguration.)
func (f Function) checkAlias(a Alias) error {
	if !validName(a.Name, 128) || number(a.Name) {
		return invalid("The alias name %q is not 1 to 128 letters, digits, hyphens and underscores, or is a number.", a.Name)
	}
	if len(a.Description) > 256 {
		return invalid("The description is longer than 256 characters.")
	}
	if !f.has(a.Version) {
		return fault.New("ResourceNotFoundException", "Function not found: %s:%s", f.ARN, a.Version)
	}
	if len(a.Weights) > 1 {
		return invalid("An alias routes to one more version at most.")
	}
	for v, weight := range a.Weights {
		switch {
		case a.Version == Latest || v == Latest:
			return invalid("$LATEST is not supported for an alias pointing to more than 1 version")
		case v == a.Version:
			return invalid("The alias routes to version %s already.", v)
		case !(weight >= 0 && weight <= 1):
			return invalid("The weight %v of version %s is not between 0 and 1.", weight, v)
		case !f.has(v):
			return fault.New("ResourceNotFoundException", "Function not found: %s:%s", f.ARN, v)
		}
	}
	return nil
}

// has reports whether there is a version of that number, or it is $LATEST.
func (f Function) has(version string) bool {
	return version == Latest || slices.ContainsFunc(f.Versions, func(v Version) bool { return v.Number == version })
}

// CreateAlias gives a version a name. (Lambda API Reference, CreateAlias.)
func (s *Service) CreateAlias(ctx context.Context, c iam.Caller, name, alias string, ch AliasChange) (Function, Alias, error) {
	var made Alias
	f, err := s.change(ctx, c, "CreateAlias", name, func(f *Function) error {
		i, there := f.findAlias(alias)
		if there {
			return fault.New("ResourceConflictException", "Alias already exists: %s:%s", f.ARN, alias)
		}
		made = Alias{Name: alias, RevisionID: wire.NewRequestID()}
		ch.apply(&made)
		f.Aliases = slices.Insert(slices.Clone(f.Aliases), i, made)
		return f.checkAlias(made)
	})
	return f, made, err
}

// UpdateAlias points an alias elsewhere. (Lambda API Reference, UpdateAlias.)
func (s *Service) UpdateAlias(ctx context.Context, c iam.Caller, name, alias string, ch AliasChange) (Function, Alias, error) {
	var made Alias
	f, err := s.change(ctx, c, "UpdateAlias", name, func(f *Function) error {
		i, there := f.findAlias(alias)
		if !there {
			return noAlias(*f, alias)
		}
		made = f.Aliases[i]
		if ch.RevisionID != "" && ch.RevisionID != made.RevisionID {
			return errStale
		}
		ch.apply(&made)
		made.RevisionID = wire.NewRequestID()
		f.Aliases = slices.Clone(f.Aliases)
		f.Aliases[i] = made
		return f.checkAlias(made)
	})
	return f, made, err
}

func (ch AliasChange) apply(a *Alias) {
	set(&a.Version, ch.Version)
	set(&a.Description, ch.Description)
	if ch.Weights != nil {
		a.Weights = maps.Clone(*ch.Weights)
	}
}

func noAlias(f Function, alias string) error {
	return fault.New("ResourceNotFoundException", "Cannot find alias arn: %s:%s", f.ARN, alias)
}

// DeleteAlias takes a name away; one that is not there is no error. (Lambda API Reference, DeleteAlias.)
func (s *Service) DeleteAlias(ctx context.Context, c iam.Caller, name, alias string) error {
	_, err := s.change(ctx, c, "DeleteAlias", name, func(f *Function) error {
		if i, there := f.findAlias(alias); there {
			f.Aliases = slices.Concat(f.Aliases[:i], f.Aliases[i+1:])
		}
		return nil
	})
	return err
}

// GetAlias returns one alias with its function.
func (s *Service) GetAlias(ctx context.Context, c iam.Caller, name, alias string) (Function, Alias, error) {
	f, _, err := s.read(ctx, c, "GetAlias", name)
	if err != nil {
		return f, Alias{}, err
	}
	a, ok := f.alias(alias)
	if !ok {
		return f, Alias{}, noAlias(f, alias)
	}
	return f, a, nil
}

// ListAliases returns the aliases in the order of their names, of one version unless version is "", with their function.
func (s *Service) ListAliases(ctx context.Context, c iam.Caller, name, version string) (Function, []Alias, error) {
	f, _, err := s.read(ctx, c, "ListAliases", name)
	if err != nil {
		return f, nil, err
	}
	var out []Alias
	for _, a := range f.Aliases {
		if version == "" || a.Version == version {
			out = append(out, a)
		}
	}
	return f, out, nil
}
