package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/sample"
)

// Access points and Object Lambda access points as the console walkthrough makes them, with aws-cli: made, configured, used
// by ARN and by alias, taken away.
func TestAWSCLIS3Control(t *testing.T) {
	t.Parallel()
	s := start(t)
	env := s.environment(t)
	run := func(args ...string) (string, string, error) { return command(t, env, "aws", args...) }
	aws := func(out any, args ...string) {
		t.Helper()
		text, errOut, err := run(args...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		if out != nil {
			if err := json.Unmarshal([]byte(text), out); err != nil {
				t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, text)
			}
		}
	}
	refused := func(code string, args ...string) {
		t.Helper()
		if _, errOut, err := run(args...); err == nil || !strings.Contains(errOut, code) {
			t.Errorf("aws %s: %v %q, want %s", strings.Join(args, " "), err, errOut, code)
		}
	}
	control := func(args ...string) []string {
		return append([]string{"s3control", args[0], "--account-id", account}, args[1:]...)
	}

	aws(nil, control("create-access-point", "--name", "walk-ap", "--bucket", bucket, "--public-access-block-configuration", "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true")...)
	const ap = "arn:aws:s3:us-east-1:" + account + ":accesspoint/walk-ap"
	refused("AccessPointAlreadyOwnedByYou", control("create-access-point", "--name", "walk-ap", "--bucket", bucket)...)
	refused("InvalidRequest", control("create-access-point", "--name", "other-ap", "--bucket", "no-such-bucket")...)
	refused("NoSuchAccessPointPolicy", control("get-access-point-policy", "--name", "walk-ap")...)
	grant := func(action, resource string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:role/glassine-image-role"},"Action":"` + action + `","Resource":"` + resource + `"}]}`
	}
	aws(nil, control("put-access-point-policy", "--name", "walk-ap", "--policy", grant("s3:GetObject", ap+"/object/*"))...)
	refused("MalformedPolicy", control("put-access-point-policy", "--name", "walk-ap", "--policy", grant("s3:GetObject", "arn:aws:s3:::"+bucket+"/*"))...)
	refused("AccessDenied", control("put-access-point-policy", "--name", "walk-ap", "--policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"`+ap+`/object/*"}]}`)...)
	var policy struct{ Policy string }
	aws(&policy, control("get-access-point-policy", "--name", "walk-ap")...)
	if !strings.Contains(policy.Policy, "glassine-image-role") {
		t.Errorf("get-access-point-policy = %q", policy.Policy)
	}
	var point struct {
		Alias, Bucket, NetworkOrigin   string
		PublicAccessBlockConfiguration map[string]bool
		Endpoints                      map[string]string
	}
	aws(&point, control("get-access-point", "--name", "walk-ap")...)
	if point.Bucket != bucket || point.NetworkOrigin != "Internet" || !point.PublicAccessBlockConfiguration["RestrictPublicBuckets"] ||
		point.Endpoints["ipv4"] != "s3-accesspoint.us-east-1.amazonaws.com" || !strings.HasSuffix(point.Alias, "-s3alias") {
		t.Errorf("get-access-point = %+v", point)
	}
	var status struct{ PolicyStatus struct{ IsPublic bool } }
	aws(&status, control("get-access-point-policy-status", "--name", "walk-ap")...)
	if status.PolicyStatus.IsPublic {
		t.Error("a policy for one role counts as public")
	}
	var list struct{ AccessPointList []struct{ Name string } }
	aws(&list, control("list-access-points", "--bucket", bucket)...)
	if len(list.AccessPointList) != 2 || list.AccessPointList[1].Name != "walk-ap" {
		t.Errorf("list-access-points = %+v", list)
	}

	config := `{"SupportingAccessPoint":"` + ap + `","TransformationConfigurations":[{"Actions":["GetObject"],"ContentTransformation":{"AwsLambda":{"FunctionArn":"arn:aws:lambda:us-east-1:` + account + `:function:glassine-image","FunctionPayload":"{\"fallback\":\"f\"}"}}}]}`
	aws(nil, control("create-access-point-for-object-lambda", "--name", "walk-olap", "--configuration", config)...)
	const olap = "arn:aws:s3-object-lambda:us-east-1:" + account + ":accesspoint/walk-olap"
	aws(nil, control("put-access-point-policy-for-object-lambda", "--name", "walk-olap", "--policy", grant("s3-object-lambda:GetObject", olap))...)
	var lambda struct{ Name string } // Debian's aws-cli does not know the Alias of the answer
	aws(&lambda, control("get-access-point-for-object-lambda", "--name", "walk-olap")...)
	made, err := s.ObjectLambda.Get(t.Context(), s.IAM.Root(), "walk-olap")
	if err != nil || lambda.Name != made.Name || !strings.HasSuffix(made.Alias, "--ol-s3") {
		t.Errorf("get-access-point-for-object-lambda = %+v, alias %q (%v)", lambda, made.Alias, err)
	}
	var got struct {
		Configuration struct {
			SupportingAccessPoint        string
			TransformationConfigurations []struct {
				Actions               []string
				ContentTransformation struct {
					AwsLambda struct{ FunctionArn, FunctionPayload string }
				}
			}
		}
	}
	aws(&got, control("get-access-point-configuration-for-object-lambda", "--name", "walk-olap")...)
	if c := got.Configuration; c.SupportingAccessPoint != ap || c.TransformationConfigurations[0].ContentTransformation.AwsLambda.FunctionPayload != `{"fallback":"f"}` {
		t.Errorf("configuration = %+v", c)
	}
	// The function's role is the demo's, which may answer on the demo's access point only: the rights of this one are needed too.
	aws(nil, control("list-access-points-for-object-lambda")...)
	if err := s.IAM.PutRolePolicy(t.Context(), s.IAM.Root(), "glassine-image-role", "walk", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3-object-lambda:WriteGetObjectResponse","Resource":"`+olap+`"}]}`); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{olap, made.Alias} {
		file := filepath.Join(t.TempDir(), "clean.jpg")
		aws(nil, "s3api", "get-object", "--bucket", name, "--key", "sample.jpg", file)
		clean, err := os.ReadFile(file)
		if err != nil || bytes.Contains(clean, []byte("Glassine Optical")) || len(clean) < 100_000 {
			t.Errorf("through %s: %d bytes, %v", name, len(clean), err)
		}
	}
	file := filepath.Join(t.TempDir(), "original.jpg")
	aws(nil, "s3api", "get-object", "--bucket", point.Alias, "--key", "sample.jpg", file)
	if original, err := os.ReadFile(file); err != nil || !bytes.Equal(original, sample.JPEG) {
		t.Errorf("through the access point's alias: %d bytes, %v", len(original), err)
	}

	refused("NoSuchPublicAccessBlockConfiguration", control("get-public-access-block")...)
	aws(nil, control("put-public-access-block", "--public-access-block-configuration", "BlockPublicPolicy=true")...)
	var block struct{ PublicAccessBlockConfiguration map[string]bool }
	aws(&block, control("get-public-access-block")...)
	if !block.PublicAccessBlockConfiguration["BlockPublicPolicy"] || block.PublicAccessBlockConfiguration["BlockPublicAcls"] {
		t.Errorf("get-public-access-block = %+v", block)
	}
	aws(nil, control("delete-public-access-block")...)

	aws(nil, control("delete-access-point-policy-for-object-lambda", "--name", "walk-olap")...)
	aws(nil, control("delete-access-point-for-object-lambda", "--name", "walk-olap")...)
	refused("NoSuchAccessPoint", control("get-access-point-for-object-lambda", "--name", "walk-olap")...)
	aws(nil, control("delete-access-point-policy", "--name", "walk-ap")...)
	aws(nil, control("delete-access-point", "--name", "walk-ap")...)
	refused("NoSuchAccessPoint", control("delete-access-point", "--name", "walk-ap")...)
}
