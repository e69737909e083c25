package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
)

const maxVersions = 5 // IAM User Guide, "Versioning IAM policies"

// version is one version of a managed policy.
type version struct {
	Number   int
	Document string
	Created  time.Time
}

func (v version) id() string { return "v" + strconv.Itoa(v.Number) }

// PolicyVersion is one version of a managed policy.
type PolicyVersion struct {
	ID       string // such as v2
	Document string
	Default  bool // it is the one in force
	Created  time.Time
}

func (r *record) shown(v version) PolicyVersion {
	return PolicyVersion{ID: v.id(), Document: v.Document, Default: v.Number == r.Default, Created: v.Created}
}

// addVersion adds the document under a number that was never given before.
func (r *record) addVersion(doc string, setDefault bool, now time.Time) version {
	now = now.UTC().Truncate(time.Second)
	r.Last++
	v := version{Number: r.Last, Document: doc, Created: now}
	r.Versions = append(r.Versions, v)
	if setDefault {
		r.Default = v.Number
	}
	r.Updated = now
	return v
}

// find returns the index of the version of that id, or a fault.
func (r *record) find(policyARN, id string) (int, error) {
	digits, ok := strings.CutPrefix(id, "v")
	if n, err := strconv.Atoi(digits); !ok || err != nil || n < 1 || digits[0] == '0' || digits[0] == '+' {
		return 0, invalid(id, "versionId", `satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`)
	}
	i := slices.IndexFunc(r.Versions, func(v version) bool { return v.id() == id })
	if i < 0 {
		return 0, fault.New("NoSuchEntity", "Policy %s version %s does not exist or is not attachable.", policyARN, id)
	}
	return i, nil
}

// CreatePolicyVersion adds a version, and puts it in force when setDefault says so. The sixth gives LimitExceeded.
// IAM API Reference, CreatePolicyVersion.
func (s *Service) CreatePolicyVersion(ctx context.Context, c Caller, policyARN, doc string, setDefault bool) (PolicyVersion, error) {
	e, err := s.askOwnPolicy(ctx, c, "iam:CreatePolicyVersion", policyARN, nil)
	if err != nil {
		return PolicyVersion{}, err
	}
	if err := s.checkManaged(doc); err != nil {
		return PolicyVersion{}, err
	}
	var made PolicyVersion
	err = s.update(ctx, e, func(_ *index, r *record) error {
		if len(r.Versions) >= maxVersions {
			return fault.New("LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		made = r.shown(r.addVersion(doc, setDefault, s.now()))
		return nil
	})
	return made, err
}

// GetPolicyVersion returns a version of a managed policy, or a NoSuchEntity fault. IAM API Reference, GetPolicyVersion.
func (s *Service) GetPolicyVersion(ctx context.Context, c Caller, policyARN, id string) (PolicyVersion, error) {
	e, err := s.askPolicy(ctx, c, "iam:GetPolicyVersion", policyARN, nil)
	if err != nil {
		return PolicyVersion{}, err
	}
	i, err := e.find(policyARN, id)
	if err != nil {
		return PolicyVersion{}, err
	}
	return e.shown(e.Versions[i]), nil
}

// ListPolicyVersions returns a managed policy's versions, newest first. IAM API Reference, ListPolicyVersions.
func (s *Service) ListPolicyVersions(ctx context.Context, c Caller, policyARN string) ([]PolicyVersion, error) {
	e, err := s.askPolicy(ctx, c, "iam:ListPolicyVersions", policyARN, nil)
	if err != nil {
		return nil, err
	}
	var out []PolicyVersion
	for _, v := range slices.Backward(e.Versions) {
		out = append(out, e.shown(v))
	}
	return out, nil
}

// DeletePolicyVersion removes a version other than the one in force. IAM API Reference, DeletePolicyVersion.
func (s *Service) DeletePolicyVersion(ctx context.Context, c Caller, policyARN, id string) error {
	return s.changeVersion(ctx, c, "iam:DeletePolicyVersion", policyARN, id, func(r *record, i int) error {
		if r.Versions[i].Number == r.Default {
			return fault.New("DeleteConflict", "Cannot delete the default version of a policy.")
		}
		r.Versions = slices.Delete(r.Versions, i, i+1)
		return nil
	})
}

// SetDefaultPolicyVersion puts another version in force, for everybody who has the policy, at once.
// IAM API Reference, SetDefaultPolicyVersion.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, c Caller, policyARN, id string) error {
	return s.changeVersion(ctx, c, "iam:SetDefaultPolicyVersion", policyARN, id, func(r *record, i int) error {
		r.Default, r.Updated = r.Versions[i].Number, s.now().UTC().Truncate(time.Second)
		return nil
	})
}

func (s *Service) changeVersion(ctx context.Context, c Caller, action, policyARN, id string, f func(*record, int) error) error {
	e, err := s.askOwnPolicy(ctx, c, action, policyARN, nil)
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(_ *index, r *record) error {
		i, err := r.find(policyARN, id)
		if err != nil {
			return err
		}
		return f(r, i)
	})
}
