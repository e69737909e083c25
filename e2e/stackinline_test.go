package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine"
)

// Custom resources of code that stands in the template, which answers with the modules that AWS puts beside such code alone: the
// functions run isolated, and find the response URL's host as any name of AWS's.
func TestStackWithInlineCode(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *glassine.Config) { c.Demo = false })
	dir := t.TempDir()
	const template = `
Parameters: {Word: {Type: String, Default: one}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
  Node:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          const response = require('cfn-response');
          exports.handler = function (event, context) {
            response.send(event, context, response.SUCCESS, {Said: 'node ' + event.ResourceProperties.Word}, 'of-node');
          };
  Python:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import cfnresponse
          def handler(event, context):
              cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Said': 'python ' + event['ResourceProperties']['Word']}, 'of-python')
  OfNode: {Type: Custom::Word, Properties: {ServiceToken: !GetAtt Node.Arn, Word: !Ref Word}}
  OfPython: {Type: Custom::Word, Properties: {ServiceToken: !GetAtt Python.Arn, Word: !GetAtt OfNode.Said}}
Outputs:
  Said: {Value: !GetAtt OfPython.Said}
  Ids: {Value: !Sub "${OfNode} ${OfPython}"}
`
	if err := os.WriteFile(filepath.Join(dir, "stack.yaml"), []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	said := func(want string) {
		t.Helper()
		if got := strings.TrimSpace(s.glassine(t, dir, "outputs", "inline", "Said").out); got != want {
			t.Errorf("Said = %q, want %q", got, want)
		}
	}
	s.glassine(t, dir, "deploy", "--stack", "inline").wants(t, 0, "inline: created", "of-node of-python")
	said("python node one")
	s.glassine(t, dir, "deploy", "--stack", "inline", "-p", "Word=two").wants(t, 0, "inline: updated")
	said("python node two")
	s.glassine(t, dir, "destroy", "inline", "--logs").wants(t, 0, "inline: deleted")
}
