package provider

import (
	"strings"
	"testing"

	"glassine/logs"
)

func TestLogGroupsAndParameters(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	out := r.deploy("records", `
Resources:
  Group: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7, Tags: [{Key: a, Value: "1"}]}}
  Stream: {Type: AWS::Logs::LogStream, Properties: {LogGroupName: !Ref Group}}
  Named: {Type: AWS::SSM::Parameter, Properties: {Name: /app/arn, Type: String, Value: !GetAtt Group.Arn, Description: d, Tags: {a: "1"}}}
  Generated: {Type: AWS::SSM::Parameter, Properties: {Type: StringList, Value: "a,b"}}
  Bootstrap: {Type: AWS::SSM::Parameter, Properties: {Name: /cdk-bootstrap/hnb659fds/version, Type: String, Value: "34"}}
Outputs:
  Arn: {Value: !GetAtt Group.Arn}
  Value: {Value: !GetAtt Generated.Value}
  Type: {Value: !GetAtt Generated.Type}
`)
	group := out["#Group"]
	if !strings.HasPrefix(group, "records-Group-") || out["Arn"] != "arn:aws:logs:us-east-1:"+account+":log-group:"+group+":*" || out["Value"] != "a,b" || out["Type"] != "StringList" ||
		!strings.HasPrefix(out["#Generated"], "CFN-Generated-") {
		t.Errorf("outputs = %v", out)
	}
	groups := func() []logs.Described {
		all, err := r.Logs.DescribeLogGroups(ctx, r.root, region, "", "")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if g := groups(); len(g) != 1 || g[0].Retention != 7 || g[0].Tags["a"] != "1" {
		t.Errorf("groups = %+v", g)
	}
	parameter := func(name string) string {
		p, err := r.SSM.GetParameter(ctx, r.root, region, name, true)
		if err != nil {
			return err.Error()
		}
		return p.Value
	}
	equal(t, "parameter", parameter("/app/arn"), out["Arn"])
	equal(t, "adopted parameter", parameter("/cdk-bootstrap/hnb659fds/version"), "34")

	out = r.deploy("records", `
Resources:
  Group: {Type: AWS::Logs::LogGroup}
  Named: {Type: AWS::SSM::Parameter, Properties: {Name: /app/arn, Type: String, Value: other}}
`)
	equal(t, "group after the update", out["#Group"], group)
	if g := groups(); len(g) != 1 || g[0].Retention != 0 || len(g[0].Tags) != 0 {
		t.Errorf("groups after the update = %+v", g)
	}
	equal(t, "parameter after the update", parameter("/app/arn"), "other")
	if tags, err := r.SSM.ListTagsForResource(ctx, r.root, region, "/app/arn"); err != nil || len(tags) != 0 {
		t.Errorf("tags after the update = %v, %v", tags, err)
	}
	r.fails("Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Name: /app/arn, Type: String, Value: mine}}}", "The parameter already exists")
	r.fails("Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Name: /app/x, Type: SecureString, Value: mine}}}", "SecureString")
	r.fails("Resources: {P: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 8}}}", "retentionInDays")
	// Somebody else deletes the parameter first: no reason not to delete the stack.
	if err := r.SSM.DeleteParameter(ctx, r.root, region, "/app/arn"); err != nil {
		t.Fatal(err)
	}
	r.destroy("records")
	if g := groups(); len(g) != 0 {
		t.Errorf("groups at the end = %+v", g)
	}
}
