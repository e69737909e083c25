package provider

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const roleOfFunctions = `
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: [lambda.amazonaws.com, edgelambda.amazonaws.com]}, Action: sts:AssumeRole}]}`

func TestFunctionFromItsFirstDayToItsLast(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.upload("code-bucket", "one.zip", "index.js", "one")
	r.upload("code-bucket", "layer.zip", "nodejs/x.js", "x")
	out := r.deploy("functions", `
Resources:`+roleOfFunctions+`
  Layer: {Type: AWS::Lambda::LayerVersion, Properties: {Content: {S3Bucket: code-bucket, S3Key: layer.zip}, CompatibleRuntimes: [nodejs22.x], Description: d}}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code: {S3Bucket: code-bucket, S3Key: one.zip}
      MemorySize: "512"
      Timeout: 60
      Description: first
      Environment: {Variables: {A: "1", N: 5, Yes: true}}
      EphemeralStorage: {Size: 1024}
      Layers: [!Ref Layer]
      LoggingConfig: {LogFormat: JSON, LogGroup: /mine}
      TracingConfig: {Mode: Active}
      Architectures: [x86_64]
      ReservedConcurrentExecutions: 5
      Tags: [{Key: k, Value: v}]
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Function, Description: one}}
  Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Function, Name: live, FunctionVersion: !GetAtt Version.Version}}
  Permission: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Function, Action: lambda:InvokeFunction, Principal: s3.amazonaws.com, SourceArn: "arn:aws:s3:::b"}}
  Events: {Type: AWS::Lambda::EventInvokeConfig, Properties: {FunctionName: !Ref Function, Qualifier: $LATEST, MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 120}}
Outputs:
  Arn: {Value: !GetAtt Function.Arn}
  Version: {Value: !Ref Version}
`)
	name := out["#Function"]
	full := "arn:aws:lambda:us-east-1:" + account + ":function:" + name
	if !strings.HasPrefix(name, "functions-Function-") || out["Arn"] != full || out["Version"] != full+":1" || out["#Alias"] != full+":live" {
		t.Errorf("outputs = %v", out)
	}
	f, v, err := r.Lambda.GetFunction(ctx, r.root, full)
	if err != nil || v.Memory != 512 || v.Timeout != time.Minute || v.Description != "first" || v.Environment["N"] != "5" || v.Environment["Yes"] != "true" || v.Ephemeral != 1024 ||
		len(v.Layers) != 1 || v.Layers[0].ARN != out["#Layer"] || v.Logging.Group != "/mine" || v.Tracing != "Active" || *f.Reserved != 5 || f.Tags["k"] != "v" || f.Versions[0].Shown() != "one" {
		t.Errorf("function = %+v %+v, %v", f, v, err)
	}
	if policy, _, err := r.Lambda.GetPolicy(ctx, r.root, full); err != nil || !strings.Contains(policy, `"`+out["#Permission"]+`"`) || !strings.Contains(policy, "s3.amazonaws.com") {
		t.Errorf("policy = %s, %v", policy, err)
	}
	if _, e, err := r.Lambda.GetFunctionEventInvokeConfig(ctx, r.root, full); err != nil || *e.Attempts != 0 || e.Age.Seconds() != 120 {
		t.Errorf("event configuration = %+v, %v", e, err)
	}

	r.upload("code-bucket", "two.zip", "index.js", "two, longer")
	out = r.deploy("functions", `
Resources:`+roleOfFunctions+`
  Function:
    Type: AWS::Lambda::Function
    Properties: {Runtime: nodejs20.x, Handler: index.other, Role: !GetAtt Role.Arn, Code: {S3Bucket: code-bucket, S3Key: two.zip}}
  Version2: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Function}}
  Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Function, Name: live, FunctionVersion: !GetAtt Version2.Version, Description: moved}}
`)
	equal(t, "function after the update", out["#Function"], name)
	f, v, err = r.Lambda.GetFunction(ctx, r.root, full)
	if err != nil || v.Memory != 128 || v.Timeout != 3*time.Second || v.Description != "" || len(v.Environment) != 0 || v.Ephemeral != 512 || len(v.Layers) != 0 ||
		v.Logging.Group != "/aws/lambda/"+name || v.Tracing != "PassThrough" || f.Reserved != nil || len(f.Tags) != 0 || v.Handler != "index.other" || v.Runtime != "nodejs20.x" {
		t.Errorf("function after the update = %+v %+v, %v", f, v, err)
	}
	if len(f.Versions) != 1 || f.Versions[0].Number != "2" || f.Aliases[0].Version != "2" || f.Aliases[0].Description != "moved" {
		t.Errorf("versions = %+v, aliases %+v, want version 2 alone", f.Versions, f.Aliases)
	}
	if _, err := r.Lambda.ListLayerVersions(ctx, r.root, region, "functions-Layer"); err == nil {
		layers, _ := r.Lambda.ListLayers(ctx, r.root, region)
		if len(layers) != 0 {
			t.Errorf("layers = %v, want none", layers)
		}
	}
	// A version of what did not change is no version.
	r.fails(`Resources: {V: {Type: AWS::Lambda::Version, Properties: {FunctionName: `+name+`}}}`, "A version for this Lambda function exists ( 2 )")
	r.destroy("functions")
	_, _, err = r.Lambda.GetFunction(ctx, r.root, full)
	wantCode(t, "the deleted function", err, "ResourceNotFoundException")
}

func TestCodeOfFunctions(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ name, code, reason string }{
		{"a path on somebody's computer", "./transform", "aws cloudformation package"},
		{"a member that Lambda has not", "{Bucket: x}", "extraneous key [Bucket]"},
		{"an archive that is not there", "{S3Bucket: none-there, S3Key: x}", "NoSuchBucket"},
		{"no function of ours", "glassine://none", "glassine://none"},
		{"inline code of a runtime that has none", "{ZipFile: x}", "ZipFile can only be used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := *r
			r.t = t
			r.fails("Resources:"+roleOfFunctions+"\n  F: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Role.Arn, Runtime: provided.al2023, Handler: bootstrap, Code: "+c.code+"}}", c.reason)
		})
	}
	out := r.deploy("inline", "Resources:"+roleOfFunctions+`
  F: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Role.Arn, Runtime: nodejs22.x, Handler: index.handler, Code: {ZipFile: "exports.handler = () => require('cfn-response')"}}}`)
	before := r.codeOf(t, out["#F"])
	if len(before) != 2 || before["index.js"] == "" || !strings.Contains(before["node_modules/cfn-response/index.js"], "exports.send") {
		t.Errorf("archive of inline code = %v", before)
	}
	out = r.deploy("inline", "Resources:"+roleOfFunctions+`
  F: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Role.Arn, Runtime: python3.12, Handler: index.handler, Code: {ZipFile: "print(1)"}}}`)
	if after := r.codeOf(t, out["#F"]); len(after) != 1 || after["index.py"] != "print(1)" {
		t.Errorf("archive after the update = %v", after)
	}
	out = r.deploy("inline", "Resources:"+roleOfFunctions+`
  F: {Type: AWS::Lambda::Function, Properties: {Role: !GetAtt Role.Arn, Code: "glassine://image"}}`)
	if _, v, err := r.Lambda.GetFunction(t.Context(), r.root, "arn:aws:lambda:us-east-1:"+account+":function:"+out["#F"]); err != nil || v.Code != "glassine://image" {
		t.Errorf("code = %+v, %v, want glassine://image", v, err)
	}
}

// codeOf are the files of a function's archive.
func (r *rig) codeOf(t *testing.T, name string) map[string]string {
	t.Helper()
	body, _, err := r.Lambda.OpenCode(t.Context(), r.root, "arn:aws:lambda:us-east-1:"+account+":function:"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

// The modules that are put beside inline code are programs of their languages.
func TestInlineModulesParse(t *testing.T) {
	for _, c := range []struct{ program, source string }{
		{"node", "const m = {exports: {}}; new Function('exports', 'require', process.argv[1])(m.exports, require); if (m.exports.SUCCESS !== 'SUCCESS' || typeof m.exports.send !== 'function') process.exit(1)"},
		{"python3", "import sys; m = {}; exec(sys.argv[1], m); assert m['SUCCESS'] == 'SUCCESS' and callable(m['send'])"},
	} {
		flag, module := "-e", cfnResponseJS
		if c.program == "python3" {
			flag, module = "-c", cfnResponsePy
		}
		if out, err := exec.Command(c.program, flag, c.source, module).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", c.program, err, out)
		}
	}
	a, err := inlineArchive("nodejs22.x", "x")
	b, err2 := inlineArchive("nodejs22.x", "x")
	if err != nil || err2 != nil || !slices.Equal(a, b) {
		t.Error("the same code does not make the same archive")
	}
}

// Inline code finds the module under the name by which AWS's pages ask for it, as a runtime does that runs in the archive's folder.
func TestInlineCodeAnswersACustomResource(t *testing.T) {
	const event = `{"StackId": "s", "RequestId": "r", "LogicalResourceId": "L", "ResponseURL": "`
	for _, c := range []struct{ program, flag, runtime, code, call string }{
		{
			"node", "-e", "nodejs22.x", "const response = require('cfn-response');\nexports.handler = (event, context) => response.send(event, context, response.SUCCESS, {Word: 'said'}, 'mine');",
			"require('./index').handler(JSON.parse(process.argv[1]), {logStreamName: 'log', done() {}})",
		},
		{
			"python3", "-c", "python3.12", "import cfnresponse\ndef handler(event, context):\n    cfnresponse.send(event, context, cfnresponse.SUCCESS, {'Word': 'said'}, 'mine')\n",
			"import json, sys, index; index.handler(json.loads(sys.argv[1]), type('Context', (), {'log_stream_name': 'log'}))",
		},
	} {
		t.Run(c.runtime, func(t *testing.T) {
			archive, err := inlineArchive(c.runtime, c.code)
			if err != nil {
				t.Fatal(err)
			}
			z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, z); err != nil {
				t.Fatal(err)
			}
			said := make(chan string, 1)
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				said <- r.Method + " " + string(body)
			}))
			defer srv.Close()
			cmd := exec.CommandContext(t.Context(), c.program, c.flag, c.call, event+srv.URL+`/x?y=z"}`)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			body, ok := strings.CutPrefix(<-said, "PUT ")
			var got struct{ Status, PhysicalResourceId, StackId, RequestId, LogicalResourceId, Data any }
			if err := json.Unmarshal([]byte(body), &got); !ok || err != nil || fmt.Sprint(got) != "{SUCCESS mine s r L map[Word:said]}" {
				t.Errorf("it answered %q, %v", body, err)
			}
		})
	}
}

func TestUpdateOfAFunctionThatIsGone(t *testing.T) {
	r := newRig(t)
	q := r.request("AWS::Lambda::Function", values{"Code": "glassine://image"})
	q.Previous, q.PhysicalID = values{"Code": "glassine://signer"}, "none"
	_, err := r.types.Find("AWS::Lambda::Function").Handler.Update(t.Context(), q)
	wantCode(t, "Update", err, "ResourceNotFoundException")
	if err := r.types.Find("AWS::Lambda::Function").Handler.Delete(t.Context(), q); err != nil {
		t.Errorf("Delete of what is gone = %v", err)
	}
}
