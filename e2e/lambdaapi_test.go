package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/logs"
)

// The commands of the reference set-up that are Lambda's, IAM's and CloudWatch Logs', as they are written for AWS.
const walkthrough = `
set -euo pipefail
export AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2
aws sts get-caller-identity

aws iam create-role --role-name "$FN_ROLE" --assume-role-policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
aws iam attach-role-policy --role-name "$FN_ROLE" --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
FN_ROLE_ARN=$(aws iam get-role --role-name "$FN_ROLE" --query Role.Arn --output text)
aws lambda create-function --function-name "$FN" --runtime nodejs20.x --architectures x86_64 --handler index.handler --role "$FN_ROLE_ARN" --zip-file "fileb://$TRANSFORM_ZIP"
aws lambda wait function-active-v2 --function-name "$FN"
aws lambda update-function-code --function-name "$FN" --zip-file "fileb://$TRANSFORM_ZIP"
aws lambda wait function-updated-v2 --function-name "$FN"
aws lambda update-function-configuration --function-name "$FN" --memory-size 512 --timeout 60
aws lambda wait function-updated-v2 --function-name "$FN"
FN_ARN=$(aws lambda get-function --function-name "$FN" --query Configuration.FunctionArn --output text)
test "$FN_ARN" = "arn:aws:lambda:us-west-2:$ACCOUNT:function:$FN"

aws iam put-role-policy --role-name "$FN_ROLE" --policy-name S3OL-WriteObjectResponse --policy-document '{"Version":"2012-10-17","Statement":[{"Action":"s3-object-lambda:WriteGetObjectResponse","Resource":"*","Effect":"Allow"}]}'
aws iam get-role-policy --role-name "$FN_ROLE" --policy-name S3OL-WriteObjectResponse

aws iam create-role --role-name "$EDGE_ROLE" --assume-role-policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
EDGE_ROLE_ARN=$(aws iam get-role --role-name "$EDGE_ROLE" --query Role.Arn --output text)
aws lambda create-function --region us-east-1 --function-name "$EDGE" --runtime python3.9 --architectures x86_64 --handler lambda_function.lambda_handler --role "$EDGE_ROLE_ARN" --zip-file "fileb://$SIGNER_ZIP"
aws lambda wait function-active-v2 --region us-east-1 --function-name "$EDGE"
aws lambda update-function-code --region us-east-1 --function-name "$EDGE" --zip-file "fileb://$SIGNER_ZIP"
aws lambda wait function-updated-v2 --region us-east-1 --function-name "$EDGE"
EDGE_ARN=$(aws lambda publish-version --region us-east-1 --function-name "$EDGE" --query FunctionArn --output text)
test "$EDGE_ARN" = "arn:aws:lambda:us-east-1:$ACCOUNT:function:$EDGE:1"
aws lambda list-versions-by-function --region us-east-1 --function-name "$EDGE"
aws iam put-role-policy --role-name "$EDGE_ROLE" --policy-name edge-signer --policy-document '{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"logs:CreateLogGroup","Resource":"arn:aws:logs:*:'$ACCOUNT':*"},
 {"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":["arn:aws:logs:*:'$ACCOUNT':log-group:/aws/lambda/*'$EDGE':*"]},
 {"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"'$FN_ARN':$LATEST"}]}'
aws iam update-assume-role-policy --role-name "$EDGE_ROLE" --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","edgelambda.amazonaws.com"]},"Action":"sts:AssumeRole"}]}'

aws logs describe-log-groups --log-group-name-prefix /aws/lambda/
aws logs filter-log-events --log-group-name "/aws/lambda/$FN" --limit 20 || true
AWS_MAX_ATTEMPTS=1 aws lambda invoke --function-name "$FN" --payload '{}' "$W/invoke.json" || true

aws lambda delete-function --function-name "$FN"
aws lambda delete-function --region us-east-1 --function-name "$EDGE"
aws iam delete-role-policy --role-name "$FN_ROLE" --policy-name S3OL-WriteObjectResponse
aws iam detach-role-policy --role-name "$FN_ROLE" --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
aws iam delete-role --role-name "$FN_ROLE"
aws iam delete-role-policy --role-name "$EDGE_ROLE" --policy-name edge-signer
aws iam delete-role --role-name "$EDGE_ROLE"
for g in "/aws/lambda/$FN" "/aws/lambda/us-east-1.$EDGE"; do aws logs delete-log-group --log-group-name "$g" || true; done
`

func zipFile(t *testing.T, name, content string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return writeTemp(t, "code.zip", b.Bytes())
}

func TestAWSCLIWalkthroughOfFunctions(t *testing.T) {
	s := start(t)
	env := append(s.environment(t), "ACCOUNT="+account, "FN=images-exif-transform", "FN_ROLE=images-exif-transform-role", "EDGE=edge-origin-request-signer",
		"EDGE_ROLE=edge-origin-request-signer-role", "W="+t.TempDir(),
		"TRANSFORM_ZIP="+zipFile(t, "index.js", "exports.handler = async (event) => event"),
		"SIGNER_ZIP="+zipFile(t, "lambda_function.py", "def lambda_handler(event, context):\n    return event['Records'][0]['cf']['request']\n"))
	began := time.Now()
	out, errOut, err := command(t, env, "bash", "-c", walkthrough)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errOut)
	}
	t.Logf("the commands took %s", time.Since(began))
	for _, left := range []string{"images-exif-transform", "edge-origin-request-signer"} {
		for _, region := range []string{"us-west-2", "us-east-1"} {
			functions, err := s.Lambda.ListFunctions(t.Context(), s.IAM.Root(), region)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range functions {
				if f.Name == left {
					t.Errorf("%s is left in %s", left, region)
				}
			}
		}
	}
}

// What a function did is in its log: read with aws-cli, and from the disk after a restart.
func TestAWSCLILogsOfAFunction(t *testing.T) {
	s := start(t)
	env := s.environment(t)
	aws := func(args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "aws", args...)
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, errOut)
		}
		return out
	}
	file := filepath.Join(t.TempDir(), "out.json")
	var invoked struct{ FunctionError, LogResult string }
	if err := json.Unmarshal([]byte(aws("lambda", "invoke", "--function-name", "glassine-image", "--log-type", "Tail", "--payload", "{}", "--output", "json", file)), &invoked); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil || invoked.FunctionError != "Unhandled" || !strings.Contains(string(raw), "errorMessage") || invoked.LogResult == "" {
		t.Errorf("invoke of the image function with an event that is none = %+v, %s, %v", invoked, raw, err)
	}
	const group = "/aws/lambda/glassine-image"
	if got := aws("logs", "describe-log-groups", "--log-group-name-prefix", "/aws/lambda/glassine-im", "--query", "logGroups[].logGroupName", "--output", "text"); strings.TrimSpace(got) != group {
		t.Errorf("describe-log-groups = %q", got)
	}
	messages := func() []string {
		var out struct{ Events []struct{ Message string } }
		if err := json.Unmarshal([]byte(aws("logs", "filter-log-events", "--log-group-name", group, "--limit", "20", "--output", "json")), &out); err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, e := range out.Events {
			list = append(list, e.Message)
		}
		return list
	}
	got := messages()
	if len(got) != 4 || !strings.HasPrefix(got[0], "START RequestId: ") || !strings.Contains(got[1], "\tERROR\t") || !strings.HasPrefix(got[2], "END RequestId: ") || !strings.HasPrefix(got[3], "REPORT RequestId: ") {
		t.Errorf("log = %q, want START, the error, END and REPORT", got)
	}
	stream := strings.TrimSpace(aws("logs", "describe-log-streams", "--log-group-name", group, "--order-by", "LastEventTime", "--descending", "--query", "logStreams[0].logStreamName", "--output", "text"))
	if lines := aws("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream, "--query", "events[].message", "--output", "text"); strings.Count(lines, "RequestId") != 3 {
		t.Errorf("get-log-events = %q", lines)
	}
	aws("logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", "3")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := glassine.New(t.Context(), glassine.Config{
		Data: s.data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	events, _, err := again.Logs.FilterLogEvents(t.Context(), again.IAM.Root(), "us-east-1", group, logs.Filter{})
	if err != nil || len(events) != 4 || events[0].Message != got[0] {
		t.Errorf("log after a restart = %+v, %v", events, err)
	}
}

// GetFunction's link gives the archive to whoever has it, for the function alone.
func TestCodeIsDownloaded(t *testing.T) {
	s := start(t)
	env := s.environment(t)
	archive := zipFile(t, "index.js", "exports.handler = async () => 1")
	out, errOut, err := command(t, env, "bash", "-c", `set -e
aws lambda create-function --function-name f --runtime nodejs20.x --handler index.handler --role arn:aws:iam::`+account+`:role/`+imageRole+` --zip-file fileb://`+archive+` >/dev/null
aws lambda get-function --function-name f --query Code.Location --output text`)
	if err != nil {
		t.Fatalf("%v\n%s", err, errOut)
	}
	want, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	a := do(t, s.aws, request(t, http.MethodGet, strings.TrimSpace(out), nil))
	if a.StatusCode != 200 || !bytes.Equal(a.body, want) {
		t.Errorf("GET of the location = %s, %d bytes, want the %d of the archive", a.Status, len(a.body), len(want))
	}
	changed := strings.Replace(strings.TrimSpace(out), "/functions/f/", "/functions/glassine-image/", 1)
	if a := do(t, s.aws, request(t, http.MethodGet, changed, nil)); a.StatusCode != 403 {
		t.Errorf("GET of another function's code by that link = %s, want 403", a.Status)
	}
}
