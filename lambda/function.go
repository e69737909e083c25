package lambda

import (
	"context"
	"slices"
	"strconv"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// Function is a function with all its versions.
type Function struct {
	Name, Region string
	ARN          string // without a qualifier
	Latest       Version
	Versions     []Version // published, numbered from 1 in order
	NextVersion  int       // numbers are never used twice
	Policy       string    // resource-based policy; "" when there is none
	// PolicyIDs is whom the ARNs in Policy meant when they were put there: see iam.Policy.Pinned.
	PolicyIDs map[string]string
}

// Version is what runs. A published one never changes.
type Version struct {
	Number      string // "$LATEST" or a number
	Code        string // glassine://image, glassine://signer or a webhook's URL
	Role        string // ARN of the execution role
	Description string
	Runtime     string
	Handler     string
	Memory      int           // MB
	Timeout     time.Duration // 1 s to 900 s
	Modified    time.Time
}

// NewFunction says what to create. Zero Memory means 128 MB, zero Timeout 3 s, an empty Region the service's own.
type NewFunction struct {
	Name, Region, Code, Role, Description, Runtime, Handler string
	Memory                                                  int
	Timeout                                                 time.Duration
}

// CreateFunction makes a function with an unpublished version. The caller needs lambda:CreateFunction on it and
// iam:PassRole on its role, and the role must trust Lambda.
func (s *Service) CreateFunction(ctx context.Context, c iam.Caller, n NewFunction) (Function, error) {
	if n.Region == "" {
		n.Region = s.cfg.Region
	}
	if !validName(n.Name, 64) || !validName(n.Region, 63) {
		return Function{}, fault.New("InvalidParameterValueException", "The function name %q (in region %q) is not 1 to 64 letters, digits, hyphens and underscores.", n.Name, n.Region)
	}
	r := ref{region: n.Region, name: n.Name}
	f := Function{Name: n.Name, Region: n.Region, ARN: s.arnOf(r), NextVersion: 1}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:CreateFunction", Resources: []string{f.ARN}}); err != nil {
		return Function{}, err
	}
	if n.Memory == 0 {
		n.Memory = 128
	}
	if n.Timeout == 0 {
		n.Timeout = 3 * time.Second
	}
	if n.Memory < 128 || n.Memory > 10240 {
		return Function{}, fault.New("InvalidParameterValueException", "MemorySize %d is not between 128 and 10240 MB.", n.Memory)
	}
	if n.Timeout < time.Second || n.Timeout > 900*time.Second {
		return Function{}, fault.New("InvalidParameterValueException", "Timeout %s is not between 1 and 900 seconds.", n.Timeout)
	}
	if err := s.checkCode(n.Code); err != nil {
		return Function{}, err
	}
	if err := s.cfg.IAM.AuthorizePassRole(ctx, c, n.Role, ServicePrincipal); err != nil {
		return Function{}, err
	}
	_, err := s.cfg.IAM.AssumeForService(ctx, n.Role, []string{ServicePrincipal}, n.Name, minimumLife)
	if fault.Is(err, "AccessDenied") {
		return Function{}, fault.New("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
	}
	if err != nil {
		return Function{}, err
	}
	f.Latest = Version{
		Number: Latest, Code: n.Code, Role: n.Role, Description: n.Description, Runtime: n.Runtime, Handler: n.Handler,
		Memory: n.Memory, Timeout: n.Timeout, Modified: s.cfg.Now().UTC(),
	}
	return s.functions.Update(ctx, r.key(), func(_ Function, exists bool) (Function, error) {
		if exists {
			return Function{}, fault.New("ResourceConflictException", "Function already exist: %s", n.Name) // AWS's own words
		}
		return f, nil
	})
}

// GetFunction returns the function that name (a name or an ARN) means, without its policy: see GetPolicy.
func (s *Service) GetFunction(ctx context.Context, c iam.Caller, name string) (Function, error) {
	r, err := s.parseRef(name)
	if err != nil {
		return Function{}, err
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:GetFunction", Resources: []string{s.arnOf(r)}}); err != nil {
		return Function{}, err
	}
	f, ok := s.functions.Get(r.key())
	if !ok {
		return Function{}, notFound(s.arnOf(r))
	}
	f.Policy, f.PolicyIDs = "", nil
	return f, nil
}

// UpdateFunctionCode replaces the unpublished version's code; published versions stay as they are.
func (s *Service) UpdateFunctionCode(ctx context.Context, c iam.Caller, name, code string) (Function, error) {
	r, err := s.unpublished(name)
	if err != nil {
		return Function{}, err
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:UpdateFunctionCode", Resources: []string{s.arnOf(r)}}); err != nil {
		return Function{}, err
	}
	if err := s.checkCode(code); err != nil {
		return Function{}, err
	}
	return s.functions.Update(ctx, r.key(), func(f Function, exists bool) (Function, error) {
		if !exists {
			return f, notFound(s.arnOf(r))
		}
		f.Latest.Code, f.Latest.Modified = code, s.cfg.Now().UTC()
		return f, nil
	})
}

// PublishVersion freezes the unpublished version under the next number. When code and configuration are as they were in
// the last one, that one is returned. (Lambda API Reference, PublishVersion.)
func (s *Service) PublishVersion(ctx context.Context, c iam.Caller, name string) (Version, error) {
	r, err := s.unpublished(name)
	if err != nil {
		return Version{}, err
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:PublishVersion", Resources: []string{s.arnOf(r)}}); err != nil {
		return Version{}, err
	}
	f, err := s.functions.Update(ctx, r.key(), func(f Function, exists bool) (Function, error) {
		if !exists {
			return f, notFound(s.arnOf(r))
		}
		v := f.Latest
		if n := len(f.Versions); n > 0 {
			last := f.Versions[n-1]
			last.Number, last.Modified = v.Number, v.Modified
			if last == v {
				return f, nil
			}
		}
		v.Number = strconv.Itoa(f.NextVersion)
		f.Versions = append(slices.Clone(f.Versions), v)
		f.NextVersion++
		return f, nil
	})
	if err != nil {
		return Version{}, err
	}
	return f.Versions[len(f.Versions)-1], nil
}

// DeleteFunction removes the function with all its versions, or the one version that name has as its qualifier.
// (Lambda API Reference, DeleteFunction.)
func (s *Service) DeleteFunction(ctx context.Context, c iam.Caller, name string) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	resource := s.arnOf(r)
	if r.qualifier != "" {
		resource += ":" + r.qualifier
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:DeleteFunction", Resources: []string{resource}}); err != nil {
		return err
	}
	switch r.qualifier {
	case "":
		return s.functions.Delete(ctx, r.key(), func(_ Function, exists bool) error {
			if !exists {
				return notFound(resource)
			}
			return nil
		})
	case Latest:
		return fault.New("InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function.")
	}
	_, err = s.functions.Update(ctx, r.key(), func(f Function, _ bool) (Function, error) {
		i := slices.IndexFunc(f.Versions, func(v Version) bool { return v.Number == r.qualifier })
		if i < 0 {
			return f, notFound(resource)
		}
		f.Versions = slices.Concat(f.Versions[:i], f.Versions[i+1:])
		return f, nil
	})
	return err
}
