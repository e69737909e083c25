package provider

import (
	"strings"

	"glassine/cloudformation"
)

// removals are the calls by which a Custom::AWS removes what a stack of its own could own: the service and the operation in lower
// case, and the parameter that names it by its physical id.
var removals = map[string]struct {
	kind, parameter string
	global          bool // the same in every region
}{
	"ssm.deleteparameter":           {kind: "AWS::SSM::Parameter", parameter: "Name"},
	"ssm.deleteparameters":          {kind: "AWS::SSM::Parameter", parameter: "Names"},
	"s3.deletebucket":               {kind: "AWS::S3::Bucket", parameter: "Bucket", global: true},
	"lambda.deletefunction":         {kind: "AWS::Lambda::Function", parameter: "FunctionName"},
	"cloudwatchlogs.deleteloggroup": {kind: "AWS::Logs::LogGroup", parameter: "logGroupName"},
	"logs.deleteloggroup":           {kind: "AWS::Logs::LogGroup", parameter: "logGroupName"},
	"iam.deleterole":                {kind: "AWS::IAM::Role", parameter: "RoleName", global: true},
	"iam.deleteuser":                {kind: "AWS::IAM::User", parameter: "UserName", global: true},
	"cloudfront.deletedistribution": {kind: "AWS::CloudFront::Distribution", parameter: "Id", global: true},
	"cloudfront.deletecachepolicy":  {kind: "AWS::CloudFront::CachePolicy", parameter: "Id", global: true},
}

// operation is the call's service and operation, however the template spells them: SSM, @aws-sdk/client-ssm; deleteParameter,
// DeleteParameterCommand.
func (c *apiCall) operation() string {
	service := strings.ToLower(c.Service)
	if i := strings.LastIndex(service, "client-"); i >= 0 {
		service = service[i+len("client-"):]
	}
	return strings.NewReplacer("-", "", " ", "").Replace(service) + "." + strings.TrimSuffix(strings.ToLower(c.Action), "command")
}

// removedByCall is what the call on deletion removes. What cannot be read removes nothing: the deletion itself says so.
func removedByCall(r *request) []cloudformation.Owned {
	c, err := callOf(r.Properties, "Delete")
	if err != nil || c == nil {
		return nil
	}
	known, ok := removals[c.operation()]
	if !ok {
		return nil
	}
	id := r.PhysicalID
	if fixed := c.fixedID(); fixed != "" {
		id = fixed
	}
	parameters, _ := replaced(c.Parameters, id).(map[string]any)
	region := c.Region
	switch {
	case known.global:
		region = ""
	case region == "":
		region = r.Region
	}
	var out []cloudformation.Owned
	add := func(v any) {
		if name, ok := v.(string); ok && name != "" {
			out = append(out, cloudformation.Owned{Type: known.kind, PhysicalID: name, Region: region})
		}
	}
	if list, ok := parameters[known.parameter].([]any); ok {
		for _, v := range list {
			add(v)
		}
		return out
	}
	add(parameters[known.parameter])
	return out
}
