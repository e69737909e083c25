package lambda

import (
	"context"
	"encoding/json"
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
	Policy       string    // resource-based policy; "" when there is none
	NextVersion  int       // numbers are never used twice
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
	if !validName(n.Name) {
		return Function{}, fault.New("InvalidParameterValueException", "The function name %q is not 1 to 64 letters, digits, hyphens and underscores.", n.Name)
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
	if _, err := s.cfg.IAM.AssumeForService(ctx, n.Role, []string{ServicePrincipal}, n.Name, minimumLife); err != nil {
		return Function{}, fault.New("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
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

// GetFunction returns the function that name (a name or an ARN) means.
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
	return f, nil
}

// UpdateFunctionCode replaces the unpublished version's code; published versions stay as they are.
func (s *Service) UpdateFunctionCode(ctx context.Context, c iam.Caller, name, code string) (Function, error) {
	r, err := s.parseRef(name)
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

// PublishVersion freezes the unpublished version under the next number. When nothing changed since the last one, that
// one is returned. (Lambda API Reference, PublishVersion.)
func (s *Service) PublishVersion(ctx context.Context, c iam.Caller, name string) (Version, error) {
	r, err := s.parseRef(name)
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
			last.Number = Latest
			if last == v {
				return f, nil
			}
		}
		v.Number = strconv.Itoa(f.NextVersion)
		f.Versions = append(append([]Version(nil), f.Versions...), v)
		f.NextVersion++
		return f, nil
	})
	if err != nil {
		return Version{}, err
	}
	return f.Versions[len(f.Versions)-1], nil
}

// DeleteFunction removes the function with all its versions.
func (s *Service) DeleteFunction(ctx context.Context, c iam.Caller, name string) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:DeleteFunction", Resources: []string{s.arnOf(r)}}); err != nil {
		return err
	}
	return s.functions.Delete(ctx, r.key(), func(_ Function, exists bool) error {
		if !exists {
			return notFound(s.arnOf(r))
		}
		return nil
	})
}

// Permission is one grant of a function's resource-based policy. SourceARN and SourceAccount narrow it when set.
type Permission struct {
	StatementID, Action, SourceARN, SourceAccount string
	Service, AWS                                  string // the principal: one of the two; AWS may be "*"
}

// AddPermission adds a statement to the function's policy.
func (s *Service) AddPermission(ctx context.Context, c iam.Caller, name string, p Permission) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:AddPermission", Resources: []string{s.arnOf(r)}}); err != nil {
		return err
	}
	_, err = s.functions.Update(ctx, r.key(), func(f Function, exists bool) (Function, error) {
		if !exists {
			return f, notFound(s.arnOf(r))
		}
		doc, err := withPermission(f.Policy, f.ARN, p)
		if err != nil {
			return f, err
		}
		f.Policy = doc
		return f, nil
	})
	return err
}

// withPermission returns the policy text with one more statement, parsed once to be sure that it will decide.
func withPermission(doc, functionARN string, p Permission) (string, error) {
	policy := struct {
		Version   string
		Id        string
		Statement []map[string]any
	}{Version: "2012-10-17", Id: "default"}
	if doc != "" {
		if err := json.Unmarshal([]byte(doc), &policy); err != nil {
			return "", err
		}
	}
	for _, st := range policy.Statement {
		if st["Sid"] == p.StatementID {
			return "", fault.New("ResourceConflictException", "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", p.StatementID)
		}
	}
	principal := map[string]any{"AWS": p.AWS}
	if p.Service != "" {
		principal = map[string]any{"Service": p.Service}
	}
	st := map[string]any{"Sid": p.StatementID, "Effect": "Allow", "Principal": principal, "Action": p.Action, "Resource": functionARN}
	condition := map[string]any{}
	if p.SourceARN != "" {
		condition["ArnLike"] = map[string]any{"AWS:SourceArn": p.SourceARN}
	}
	if p.SourceAccount != "" {
		condition["StringEquals"] = map[string]any{"AWS:SourceAccount": p.SourceAccount}
	}
	if len(condition) > 0 {
		st["Condition"] = condition
	}
	policy.Statement = append(policy.Statement, st)
	text, err := json.Marshal(policy)
	if err != nil {
		return "", err
	}
	if _, err := iam.Parse(text, iam.ResourcePolicy); err != nil {
		return "", fault.New("InvalidParameterValueException", "The permission is not valid: %s", err.Error())
	}
	return string(text), nil
}
