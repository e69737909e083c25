package lambda

import (
	"context"
	"time"

	"glassine/aws/wire"
	"glassine/iam"
)

// Change says how to change the unpublished version's configuration: nil leaves a field as it is.
type Change struct {
	Role, Description, Runtime, Handler *string
	Memory, Ephemeral                   *int // MB
	Timeout                             *time.Duration
	Environment                         *map[string]string
	Layers                              *[]string // ARNs of layer versions
	Logging                             *Logging  // whole: empty fields get their defaults
	Tracing                             *string
	RevisionID                          string // refuse when the version has another
}

// UpdateFunctionConfiguration changes the unpublished version's configuration. A new role must be one that the caller may
// pass and that trusts Lambda; new layers ones that the caller may get. (Lambda API Reference, UpdateFunctionConfiguration.)
func (s *Service) UpdateFunctionConfiguration(ctx context.Context, c iam.Caller, name string, ch Change) (Function, error) {
	r, err := s.unqualified(name)
	if err != nil {
		return Function{}, err
	}
	keys := iam.Context{}
	if ch.Layers != nil {
		keys["lambda:layer"] = *ch.Layers
	}
	if err := s.ask(ctx, c, "UpdateFunctionConfiguration", r, keys); err != nil {
		return Function{}, err
	}
	if ch.Role != nil {
		if err := s.checkRole(ctx, c, r.name, *ch.Role); err != nil {
			return Function{}, err
		}
	}
	var layers []UsedLayer
	if ch.Layers != nil {
		if layers, err = s.useLayers(ctx, c, r.region, *ch.Layers); err != nil {
			return Function{}, err
		}
	}
	var old Version
	f, err := s.update(ctx, r, func(f *Function) error {
		if ch.RevisionID != "" && ch.RevisionID != f.Latest.RevisionID {
			return errStale
		}
		old = f.Latest
		v := &f.Latest
		ch.apply(v)
		if ch.Layers != nil {
			v.Layers = layers
		}
		v.fill(f.Name)
		v.Modified, v.RevisionID = s.cfg.Now().UTC(), wire.NewRequestID()
		if v.Code == codeZip && (v.Runtime == "" || v.Handler == "") {
			return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
		}
		if err := v.check(); err != nil {
			return err
		}
		return v.checkSize()
	})
	if err != nil {
		return Function{}, err
	}
	s.retire(f.ARN, old)
	s.warm(f, f.Latest)
	s.sweepLater()
	return f, nil
}

// apply sets what the change names, but for the layers.
func (ch Change) apply(v *Version) {
	set(&v.Role, ch.Role)
	set(&v.Description, ch.Description)
	set(&v.Runtime, ch.Runtime)
	set(&v.Handler, ch.Handler)
	set(&v.Memory, ch.Memory)
	set(&v.Ephemeral, ch.Ephemeral)
	set(&v.Timeout, ch.Timeout)
	set(&v.Environment, ch.Environment)
	set(&v.Logging, ch.Logging)
	set(&v.Tracing, ch.Tracing)
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}
