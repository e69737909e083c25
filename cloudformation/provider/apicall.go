package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// apiCall is one of the three calls of a Custom::AWS: JSON in a string of the template. (aws-cdk-lib 2.276,
// custom-resources, AwsSdkCall.)
type apiCall struct {
	Region, Service, Action, APIVersion string
	Parameters                          map[string]any
	PhysicalResourceID                  *struct{ ID, ResponsePath string }
	OutputPath                          string
	OutputPaths                         []string
	IgnoreErrorCodesMatching            string
	AssumedRoleArn, ExternalID          string
}

// callOf reads one of the calls, nil when the template has none.
func callOf(p values, kind string) (*apiCall, error) {
	raw := p.Text(kind)
	if raw == "" {
		return nil, nil //nolint:nilnil // there is none, and that is fine
	}
	var c apiCall
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		return nil, fault.New("InvalidRequest", "%s is not the JSON of an API call: %s", kind, err)
	}
	if c.Service == "" || c.Action == "" {
		return nil, fault.New("InvalidRequest", "%s names no service and action", kind)
	}
	return &c, nil
}

func (c *apiCall) fixedID() string {
	if c == nil || c.PhysicalResourceID == nil {
		return ""
	}
	return c.PhysicalResourceID.ID
}

func (s Services) createCall(ctx context.Context, r *request) (resource, error) {
	id := ""
	for _, kind := range []string{"Create", "Update", "Delete"} {
		c, err := callOf(r.Properties, kind)
		if err != nil {
			return resource{}, err
		}
		if id == "" {
			id = c.fixedID()
		}
	}
	if id == "" {
		id = r.LogicalID
	}
	return s.call(ctx, r, "Create", id)
}

func (s Services) updateCall(ctx context.Context, r *request) (resource, error) {
	return s.call(ctx, r, "Update", r.PhysicalID)
}

func (s Services) deleteCall(ctx context.Context, r *request) error {
	if r.PhysicalID == createFailed || r.PhysicalID == missingID {
		return nil
	}
	_, err := s.call(ctx, r, "Delete", r.PhysicalID)
	return err
}

// call makes the call of a kind. Where there is none, that is success.
func (s Services) call(ctx context.Context, r *request, kind, id string) (resource, error) {
	c, err := callOf(r.Properties, kind)
	if err != nil {
		return resource{}, err
	}
	if fixed := c.fixedID(); fixed != "" {
		id = fixed
	}
	res := resource{PhysicalID: id, Attributes: values{}}
	if c == nil {
		return res, nil
	}
	region := c.Region
	if region == "" {
		region = r.Region
	}
	key, err := s.keyFor(ctx, r, c)
	if err != nil {
		return resource{}, err
	}
	if s.API == nil {
		return resource{}, fault.New("NotImplemented", "Custom::AWS is not available: there is nothing that runs API calls by name.")
	}
	parameters, _ := replaced(c.Parameters, id).(map[string]any)
	answer, err := s.API.Run(ctx, key, region, c.Service, c.Action, parameters)
	if err != nil {
		ignored, badPattern := c.ignores(err)
		if badPattern != nil {
			return resource{}, badPattern
		}
		if !ignored {
			return resource{}, err
		}
		return res, nil
	}
	all := values{}
	flatten(all, "", answer)
	if c.PhysicalResourceID != nil && c.PhysicalResourceID.ResponsePath != "" {
		res.PhysicalID = fmt.Sprint(all[c.PhysicalResourceID.ResponsePath])
	}
	all["region"] = region
	if c.APIVersion != "" {
		all["apiVersion"] = c.APIVersion
	}
	paths := c.OutputPaths
	if len(paths) == 0 && c.OutputPath != "" {
		paths = []string{c.OutputPath}
	}
	res.Attributes = only(all, paths)
	return res, nil
}

// ignores reports whether the template takes the error for success.
func (c *apiCall) ignores(err error) (bool, error) {
	if c.IgnoreErrorCodesMatching == "" || fault.Code(err) == "" {
		return false, nil
	}
	re, bad := regexp.Compile(c.IgnoreErrorCodesMatching)
	if bad != nil {
		return false, fault.New("InvalidRequest", "ignoreErrorCodesMatching %q is no regular expression", c.IgnoreErrorCodesMatching)
	}
	return re.MatchString(fault.Code(err)), nil
}

// keyFor returns credentials of the function's role, or of the role that the call names and the function's may assume.
func (s Services) keyFor(ctx context.Context, r *request, c *apiCall) (iam.Credentials, error) {
	key, caller, err := s.roleOf(ctx, r)
	if err != nil || c.AssumedRoleArn == "" {
		return key, err
	}
	session := strings.Map(func(x rune) rune {
		if x == '-' || x >= '0' && x <= '9' || x >= 'A' && x <= 'Z' || x >= 'a' && x <= 'z' {
			return x
		}
		return '-'
	}, fmt.Sprintf("%d-%.40s", time.Now().UnixMilli(), r.PhysicalID+r.LogicalID))
	assumed, err := s.IAM.AssumeRole(ctx, caller, iam.AssumeRole{RoleARN: c.AssumedRoleArn, SessionName: session, ExternalID: c.ExternalID})
	return assumed.Credentials, err
}

// What CDK writes into parameters that JSON in a template cannot say.
const (
	physicalIDReference = "PHYSICAL:RESOURCEID:"
	trueReference       = "TRUE:BOOLEAN"
	falseReference      = "FALSE:BOOLEAN"
)

func replaced(v any, id string) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = replaced(e, id)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = replaced(e, id)
		}
		return out
	case string:
		switch x {
		case physicalIDReference:
			return id
		case trueReference:
			return true
		case falseReference:
			return false
		}
	}
	return v
}
