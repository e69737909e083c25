package ssmapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"glassine/aws/awscli"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/ssm"
	"glassine/state"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// api is the API over real services.
type api struct {
	t        *testing.T
	endpoint string
	key      iam.Credentials
}

func newAPI(t *testing.T) *api {
	t.Helper()
	ctx := context.Background()
	a := &api{t: t}
	records := &state.Memory{}
	identities, err := iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if a.key, _, err = identities.EnsureRoot(ctx); err != nil {
		t.Fatal(err)
	}
	service, err := ssm.New(ctx, ssm.Config{State: records, IAM: identities, Key: [32]byte{2}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&Handler{SSM: service, IAM: identities, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(server.Close)
	a.endpoint = server.URL
	return a
}

// call sends an operation, signed by root unless change says otherwise, and returns the answer's status and body.
func (a *api) call(operation, body string, change ...func(*http.Request)) (int, string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), "POST", a.endpoint+"/", bytes.NewReader([]byte(body)))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "AmazonSSM."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: a.key.AccessKeyID, SecretAccessKey: a.key.SecretAccessKey}, region, "ssm", sigv4.PayloadSHA256([]byte(body)), time.Now())
	for _, f := range change {
		f(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if resp.Header.Get("X-Amzn-Requestid") == "" || resp.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		a.t.Errorf("%s: headers = %v", operation, resp.Header)
	}
	return resp.StatusCode, string(raw)
}

// Every operation that clients of the reference set-up need is here.
func TestOperationsAreServed(t *testing.T) {
	for _, name := range []string{
		"PutParameter", "GetParameter", "GetParameters", "GetParametersByPath", "DeleteParameter", "DeleteParameters", "DescribeParameters",
		"AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource", "GetParameterHistory", "LabelParameterVersion", "UnlabelParameterVersion",
	} {
		if operations[name] == nil {
			t.Errorf("%s is not served", name)
		}
	}
}

func TestRefusals(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct {
		name, operation, body, code, says string
		change                            func(*http.Request)
	}{
		{"an operation that is not here", "SendCommand", "{}", "UnknownOperationException", "SendCommand", nil},
		{"no JSON", "GetParameter", "{", "SerializationException", "well-formed", nil},
		{"a parameter that is not there", "GetParameter", `{"Name":"/none"}`, "ParameterNotFound", "/none", nil},
		{"another signature", "GetParameter", `{"Name":"/none"}`, "InvalidSignatureException", "signature", func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSSM.GetParameters") }},
		{"no signature", "GetParameter", `{"Name":"/none"}`, "MissingAuthenticationTokenException", "", func(r *http.Request) { r.Header.Del("Authorization") }},
		{"a policy of a parameter", "PutParameter", `{"Name":"a","Value":"v","Type":"String","Policies":"[{}]"}`, "InvalidPolicyTypeException", "policies", nil},
		{"tags of a document", "ListTagsForResource", `{"ResourceType":"Document","ResourceId":"x"}`, "InvalidResourceType", "Document", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := *a
			a.t = t
			var change []func(*http.Request)
			if c.change != nil {
				change = append(change, c.change)
			}
			status, raw := a.call(c.operation, c.body, change...)
			var e struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal([]byte(raw), &e); err != nil || status != 400 || e.Type != c.code || !strings.Contains(strings.ToLower(e.Message), strings.ToLower(c.says)) {
				t.Errorf("%s %s = %d %s, want 400 %s with %q", c.operation, c.body, status, raw, c.code, c.says)
			}
		})
	}
}

// aws runs "aws ssm args..." and returns what it printed, or what it complained of.
func (a *api) aws(args ...string) (out, complaint string) {
	a.t.Helper()
	cmd := awscli.Command(a.t.Context(), append([]string{"--endpoint-url", a.endpoint, "--output", "json", "ssm"}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + a.t.TempDir(), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_REGION=" + region,
		"AWS_MAX_ATTEMPTS=1", "AWS_ACCESS_KEY_ID=" + a.key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + a.key.SecretAccessKey,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", err.Error() + ": " + strings.TrimSpace(stderr.String())
	}
	return stdout.String(), ""
}

func TestAWSCLI(t *testing.T) {
	a := newAPI(t)
	run := func(out any, args ...string) {
		t.Helper()
		raw, complaint := a.aws(args...)
		if complaint != "" {
			t.Fatalf("aws ssm %s: %s", strings.Join(args, " "), complaint)
		}
		if out == nil {
			return
		}
		if err := json.Unmarshal([]byte(raw), out); err != nil {
			t.Fatalf("aws ssm %s: %v: %s", strings.Join(args, " "), err, raw)
		}
	}
	type got struct {
		Name, Type, Value, ARN, DataType, LastModifiedUser, KeyId, Tier string
		LastModifiedDate                                                time.Time
		Version                                                         int
		Labels                                                          []string
	}
	var put struct {
		Version int
		Tier    string
	}
	run(&put, "put-parameter", "--name", "/app/one", "--value", "a<b", "--type", "String", "--tags", "Key=team,Value=photos")
	if put.Version != 1 || put.Tier != "Standard" {
		t.Errorf("put-parameter = %+v", put)
	}
	if _, complaint := a.aws("put-parameter", "--name", "/app/one", "--value", "c", "--type", "String"); !strings.Contains(complaint, "(ParameterAlreadyExists)") {
		t.Errorf("second put-parameter: %q, want ParameterAlreadyExists", complaint)
	}
	run(&put, "put-parameter", "--name", "/app/key", "--value", "hunter2", "--type", "SecureString")
	var one struct{ Parameter got }
	run(&one, "get-parameter", "--name", "/app/one")
	if p := one.Parameter; p.Value != "a<b" || p.Version != 1 || p.ARN != "arn:aws:ssm:"+region+":"+account+":parameter/app/one" || p.DataType != "text" || time.Since(p.LastModifiedDate).Abs() > time.Minute {
		t.Errorf("get-parameter = %+v", p)
	}
	run(&one, "get-parameter", "--name", "/app/key")
	if one.Parameter.Value == "hunter2" || one.Parameter.Value == "" {
		t.Errorf("get-parameter without decryption = %+v", one.Parameter)
	}
	var many struct {
		Parameters        []got
		InvalidParameters []string
		NextToken         string
	}
	run(&many, "get-parameters", "--names", "/app/key", "/app/none", "--with-decryption")
	if len(many.Parameters) != 1 || many.Parameters[0].Value != "hunter2" || len(many.InvalidParameters) != 1 {
		t.Errorf("get-parameters = %+v", many)
	}
	run(&many, "get-parameters-by-path", "--path", "/app", "--page-size", "1") // aws-cli joins the pages
	if len(many.Parameters) != 2 || many.Parameters[0].Name != "/app/key" || many.Parameters[1].Name != "/app/one" {
		t.Errorf("get-parameters-by-path = %+v", many)
	}
	run(&many, "describe-parameters", "--parameter-filters", "Key=tag:team,Values=photos")
	if len(many.Parameters) != 1 || many.Parameters[0].Name != "/app/one" || many.Parameters[0].LastModifiedUser != "arn:aws:iam::"+account+":root" || many.Parameters[0].Tier != "Standard" {
		t.Errorf("describe-parameters = %+v", many)
	}
	run(nil, "label-parameter-version", "--name", "/app/one", "--labels", "prod")
	run(&many, "get-parameter-history", "--name", "/app/one")
	if len(many.Parameters) != 1 || len(many.Parameters[0].Labels) != 1 || many.Parameters[0].Value != "a<b" {
		t.Errorf("get-parameter-history = %+v", many)
	}
	run(nil, "add-tags-to-resource", "--resource-type", "Parameter", "--resource-id", "/app/one", "--tags", "Key=a,Value=1")
	run(nil, "remove-tags-from-resource", "--resource-type", "Parameter", "--resource-id", "/app/one", "--tag-keys", "team")
	var tags struct{ TagList []struct{ Key, Value string } }
	run(&tags, "list-tags-for-resource", "--resource-type", "Parameter", "--resource-id", "/app/one")
	if len(tags.TagList) != 1 || tags.TagList[0].Key != "a" {
		t.Errorf("list-tags-for-resource = %+v", tags)
	}
	run(nil, "unlabel-parameter-version", "--name", "/app/one", "--parameter-version", "1", "--labels", "prod")
	run(nil, "delete-parameter", "--name", "/app/one")
	var deleted struct{ DeletedParameters, InvalidParameters []string }
	run(&deleted, "delete-parameters", "--names", "/app/key", "/app/one")
	if len(deleted.DeletedParameters) != 1 || len(deleted.InvalidParameters) != 1 {
		t.Errorf("delete-parameters = %+v", deleted)
	}
}
