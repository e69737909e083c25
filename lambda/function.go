package lambda

import (
	"context"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

// Function is a function with all its versions. What a method returns is shared: treat it as read-only.
type Function struct {
	Name, Region string
	ARN          string // without a qualifier
	Latest       Version
	Versions     []Version // published, numbered from 1 in order
	NextVersion  int       // numbers are never used twice
	Aliases      []Alias   // in the order of their names
	Tags         map[string]string
	Reserved     *int   // reserved concurrency, or nil
	Policy       string // resource-based policy; "" when there is none
	// PolicyIDs is whom the ARNs in Policy meant when they were put there: see iam.Policy.Pinned.
	PolicyIDs map[string]string
	// Asynchronous is what becomes of asynchronous invocations, by qualifier: "" for the function named without one.
	Asynchronous map[string]EventInvoke
}

// NewFunction says what to create. Zero Memory means 128 MB, zero Timeout 3 s, zero Ephemeral 512 MB, an empty Region the
// service's own, an empty Architecture x86_64. Layers are ARNs of layer versions.
type NewFunction struct {
	Name, Region, Role, Description, Runtime, Handler string
	Code                                              Code
	Memory, Ephemeral                                 int // MB
	Timeout                                           time.Duration
	Architecture                                      string
	Environment                                       map[string]string
	Layers                                            []string
	Logging                                           Logging
	Tracing                                           string
	Tags                                              map[string]string
	Publish                                           bool // make version 1 at once
}

// CreateFunction makes a function with an unpublished version. The caller needs lambda:CreateFunction on it,
// lambda:GetLayerVersion on its layers and iam:PassRole on its role, and the role must trust Lambda.
func (s *Service) CreateFunction(ctx context.Context, c iam.Caller, n NewFunction) (Function, error) {
	if n.Region == "" {
		n.Region = s.cfg.Region
	}
	if !validName(n.Name, 64) || !validName(n.Region, 63) {
		return Function{}, invalid("The function name %q (in region %q) is not 1 to 64 letters, digits, hyphens and underscores.", n.Name, n.Region)
	}
	r := ref{region: n.Region, name: n.Name}
	f := Function{Name: n.Name, Region: n.Region, ARN: s.arnOf(r), NextVersion: 1, Tags: n.Tags}
	keys := iam.RequestTags(n.Tags)
	if len(n.Layers) > 0 {
		keys["lambda:layer"] = n.Layers
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:CreateFunction", Resources: []string{f.ARN}, Context: keys}); err != nil {
		return Function{}, err
	}
	f.Latest = Version{
		Number: Latest, Role: n.Role, Description: n.Description, Runtime: n.Runtime, Handler: n.Handler, Memory: n.Memory, Ephemeral: n.Ephemeral,
		Timeout: n.Timeout, Architecture: n.Architecture, Environment: n.Environment, Logging: n.Logging, Tracing: n.Tracing,
		Modified: s.cfg.Now().UTC(), RevisionID: wire.NewRequestID(),
	}
	f.Latest.fill(f.Name)
	if err := f.Latest.check(); err != nil {
		return Function{}, err
	}
	if err := checkTags(n.Tags); err != nil {
		return Function{}, err
	}
	if _, exists := s.functions.Get(r.key()); exists { // before the code is kept; asked again below
		return Function{}, alreadyThere(n.Name)
	}
	var err error
	if f.Latest.Layers, err = s.useLayers(ctx, c, n.Region, n.Layers); err != nil {
		return Function{}, err
	}
	if err := s.checkRole(ctx, c, n.Name, n.Role); err != nil {
		return Function{}, err
	}
	release, err := s.takeCode(ctx, c, &f.Latest, n.Code)
	if err != nil {
		return Function{}, err
	}
	defer release()
	if n.Publish {
		f.publish("")
	}
	f, err = s.functions.Update(ctx, r.key(), func(_ Function, exists bool) (Function, error) {
		if exists {
			return Function{}, alreadyThere(n.Name)
		}
		return f, nil
	})
	if err == nil {
		s.warm(f, f.Latest)
	}
	return f, err
}

func alreadyThere(name string) error {
	return fault.New("ResourceConflictException", "Function already exist: %s", name) // AWS's own words
}

// checkRole asks whether the caller may pass the role, and the role trusts Lambda.
func (s *Service) checkRole(ctx context.Context, c iam.Caller, function, role string) error {
	if err := s.cfg.IAM.AuthorizePassRole(ctx, c, role, ServicePrincipal); err != nil {
		return err
	}
	_, err := s.cfg.IAM.AssumeForService(ctx, role, []string{ServicePrincipal}, function, minimumLife)
	if fault.Is(err, "AccessDenied") {
		return invalid("The role defined for the function cannot be assumed by Lambda.")
	}
	return err
}

// ask asks IAM for an action on the function, or on the version or alias that r names. A policy may name either the
// function or what was named of it.
func (s *Service) ask(ctx context.Context, c iam.Caller, action string, r ref, keys iam.Context) error {
	a := iam.Ask{Action: "lambda:" + action, Resources: []string{s.arnOf(r)}, Context: s.resourceTags(r)}
	if r.qualifier != "" {
		a.Resources = []string{s.qualifiedARN(r), s.arnOf(r)}
	}
	for k, v := range keys {
		a.Context[k] = v
	}
	return s.cfg.IAM.Authorize(ctx, c, a)
}

// read asks for an action and returns what name means, without the function's policy.
func (s *Service) read(ctx context.Context, c iam.Caller, action, name string) (Function, ref, error) {
	r, err := s.parseRef(name)
	if err != nil {
		return Function{}, r, err
	}
	if err := s.ask(ctx, c, action, r, nil); err != nil {
		return Function{}, r, err
	}
	f, ok := s.functions.Get(r.key())
	if !ok {
		return Function{}, r, notFound(s.qualifiedARN(r))
	}
	f.Policy, f.PolicyIDs = "", nil
	return f, r, nil
}

// change asks for an action on the function and writes what f makes of a copy of it. f must not write into what the copy's
// slices and maps hold.
func (s *Service) change(ctx context.Context, c iam.Caller, action, name string, f func(*Function) error) (Function, error) {
	r, err := s.unqualified(name)
	if err != nil {
		return Function{}, err
	}
	if err := s.ask(ctx, c, action, r, nil); err != nil {
		return Function{}, err
	}
	return s.update(ctx, r, f)
}

// update is change for what was asked already.
func (s *Service) update(ctx context.Context, r ref, f func(*Function) error) (Function, error) {
	return s.functions.Update(ctx, r.key(), func(old Function, exists bool) (Function, error) {
		if !exists {
			return old, notFound(s.qualifiedARN(r))
		}
		err := f(&old)
		return old, err
	})
}

// GetFunction returns the function that name (a name or an ARN) means, without its policy (see GetPolicy), and the version
// that the qualifier names, the unpublished one without.
func (s *Service) GetFunction(ctx context.Context, c iam.Caller, name string) (Function, Version, error) {
	return s.get(ctx, c, "GetFunction", name)
}

// GetFunctionConfiguration is GetFunction for those who may not see the code.
func (s *Service) GetFunctionConfiguration(ctx context.Context, c iam.Caller, name string) (Function, Version, error) {
	return s.get(ctx, c, "GetFunctionConfiguration", name)
}

func (s *Service) get(ctx context.Context, c iam.Caller, action, name string) (Function, Version, error) {
	f, r, err := s.read(ctx, c, action, name)
	if err != nil {
		return Function{}, Version{}, err
	}
	v, ok := f.version(r.qualifier)
	if !ok {
		return Function{}, Version{}, notFound(s.qualifiedARN(r))
	}
	return f, v, nil
}

// ListFunctions returns the region's functions in the order of their names, without their policies.
func (s *Service) ListFunctions(ctx context.Context, c iam.Caller, region string) ([]Function, error) {
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:ListFunctions", Resources: []string{"*"}}); err != nil {
		return nil, err
	}
	var out []Function
	for _, f := range s.functions.All() {
		if f.Region == region {
			f.Policy, f.PolicyIDs = "", nil
			out = append(out, f)
		}
	}
	return out, nil
}

// DeleteFunction removes the function with all its versions, or the one version that name has as its qualifier. What a
// distribution uses, and a version that an alias names, stay: ResourceConflictException. (Lambda API Reference,
// DeleteFunction.)
func (s *Service) DeleteFunction(ctx context.Context, c iam.Caller, name string) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	resource := s.qualifiedARN(r)
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:DeleteFunction", Resources: []string{resource}, Context: s.resourceTags(r)}); err != nil {
		return err
	}
	var gone []Version
	switch r.qualifier {
	case "":
		err = s.functions.Delete(ctx, r.key(), func(f Function, exists bool) error {
			if !exists {
				return notFound(resource)
			}
			gone = append([]Version{f.Latest}, f.Versions...)
			return s.checkUnused(f.ARN, f.Versions)
		})
	case Latest:
		return invalid("$LATEST version cannot be deleted without deleting the function.")
	default:
		_, err = s.update(ctx, r, func(f *Function) error {
			i := slices.IndexFunc(f.Versions, func(v Version) bool { return v.Number == r.qualifier })
			if i < 0 {
				return notFound(resource)
			}
			if a := f.aliasOf(r.qualifier); a != "" {
				return fault.New("ResourceConflictException", "Function version %s is referenced by the alias %s: point the alias elsewhere first.", resource, a)
			}
			gone = f.Versions[i : i+1]
			f.Versions = slices.Concat(f.Versions[:i], f.Versions[i+1:])
			return s.checkUnused(f.ARN, gone)
		})
	}
	if err != nil {
		return err
	}
	for _, v := range gone {
		s.retire(strings.TrimSuffix(resource, ":"+r.qualifier), v)
	}
	s.countReserved()
	s.sweepLater()
	s.observeGone(ctx, r)
	return nil
}

// checkUnused refuses to delete versions that something else of the system uses.
func (s *Service) checkUnused(function string, versions []Version) error {
	if s.cfg.UsedBy == nil {
		return nil
	}
	for _, v := range versions {
		if by := s.cfg.UsedBy(function + ":" + v.Number); by != "" {
			return fault.New("ResourceConflictException", "Lambda was unable to delete %s:%s because it is used by %s.", function, v.Number, by)
		}
	}
	return nil
}
