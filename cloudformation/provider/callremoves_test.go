package provider

import (
	"slices"
	"strings"
	"testing"

	"glassine/cloudformation"
)

// The reference solution's CDK app does this: the id of the resource that reads a parameter of another stack is new with every
// synthesis, and so the parameter is deleted with the old id.
func TestADeletionOfWhatAnotherStackOwnsIsTold(t *testing.T) {
	api := &fakeAPI{run: func(string, string, string, map[string]any) (map[string]any, error) {
		return map[string]any{"Parameter": map[string]any{"Value": "v"}}, nil
	}}
	r := newRig(t)
	r.API = api
	r.open(cloudformation.NewTypes(Types(r.Services)...))
	owner := r.deploy("owner", "Resources:"+roleOfFunctions+`
  Value: {Type: AWS::SSM::Parameter, Properties: {Name: /edge/arn, Type: String, Value: v}}
  Function: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Role.Arn, Code: "glassine://image"}}`)
	reader := func(id, name string) string {
		call := func(action string) string {
			return `'{"service":"SSM","action":"` + action + `","parameters":{"Name":"` + name + `"},"physicalResourceId":{"id":"` + id + `"}}'`
		}
		return `
Resources:
  Reader:
    Type: Custom::AWS
    Properties:
      ServiceToken: arn:aws:lambda:us-east-1:` + account + `:function:` + owner["#Function"] + `
      Create: ` + call("getParameter") + `
      Update: ` + call("getParameter") + `
      Delete: ` + call("deleteParameter")
	}
	warnings := func(stack string) (out []string) {
		t.Helper()
		events, _, err := r.stack.Events(t.Context(), r.root, region, stack, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range slices.Backward(events) {
			if strings.HasPrefix(e.Reason, "Warning:") {
				out = append(out, e.LogicalID+" "+string(e.Status)+" "+e.PhysicalID+" "+e.Reason)
			}
		}
		return out
	}
	r.deploy("reader", reader("one", "/edge/arn"))
	if got := warnings("reader"); got != nil {
		t.Errorf("a creation warns: %q", got)
	}
	r.deploy("reader", reader("two", "/edge/arn"))
	const want = "Reader DELETE_IN_PROGRESS one Warning: this also deletes AWS::SSM::Parameter /edge/arn, which is Value of the stack owner"
	if got := warnings("reader"); !slices.Equal(got, []string{want}) {
		t.Errorf("warnings = %q, want %q", got, want)
	}
	if !slices.ContainsFunc(api.calls, func(c string) bool { return strings.Contains(c, "deleteParameter") }) {
		t.Errorf("the call was not made: %q", api.calls)
	}
	// What no stack owns is nobody's business.
	r.deploy("other", reader("one", "/mine"))
	r.deploy("other", reader("two", "/mine"))
	if got := warnings("other"); got != nil {
		t.Errorf("warnings = %q, want none", got)
	}
}

func TestWhatACallRemoves(t *testing.T) {
	for _, c := range []struct {
		name, call string
		want       []cloudformation.Owned
	}{
		{"by the SDK's package and command", `{"service":"@aws-sdk/client-ssm","action":"DeleteParameterCommand","parameters":{"Name":"/a"}}`, []cloudformation.Owned{{Type: "AWS::SSM::Parameter", PhysicalID: "/a", Region: region}}},
		{"in another region", `{"service":"SSM","action":"deleteParameter","region":"eu-west-1","parameters":{"Name":"/a"}}`, []cloudformation.Owned{{Type: "AWS::SSM::Parameter", PhysicalID: "/a", Region: "eu-west-1"}}},
		{
			"several", `{"service":"SSM","action":"deleteParameters","parameters":{"Names":["/a","/b"]}}`,
			[]cloudformation.Owned{{Type: "AWS::SSM::Parameter", PhysicalID: "/a", Region: region}, {Type: "AWS::SSM::Parameter", PhysicalID: "/b", Region: region}},
		},
		{"by the resource's own id", `{"service":"S3","action":"deleteBucket","parameters":{"Bucket":"PHYSICAL:RESOURCEID:"}}`, []cloudformation.Owned{{Type: "AWS::S3::Bucket", PhysicalID: "mine"}}},
		{"a log group", `{"service":"@aws-sdk/client-cloudwatch-logs","action":"deleteLogGroup","parameters":{"logGroupName":"/g"}}`, []cloudformation.Owned{{Type: "AWS::Logs::LogGroup", PhysicalID: "/g", Region: region}}},
		{"no deletion", `{"service":"SSM","action":"getParameter","parameters":{"Name":"/a"}}`, nil},
		{"no name", `{"service":"SSM","action":"deleteParameter"}`, nil},
		{"no call", ``, nil},
		{"no JSON", `{`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := (&rig{t: t}).request("Custom::AWS", values{"Delete": c.call})
			q.PhysicalID = "mine"
			if got := removedByCall(q); !slices.Equal(got, c.want) {
				t.Errorf("removedByCall(%s) = %+v, want %+v", c.call, got, c.want)
			}
		})
	}
}
