package lambdaapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type configuration struct {
	FunctionName, FunctionArn, Runtime, Role, Handler, Description, LastModified, CodeSha256, Version, RevisionId, State, LastUpdateStatus, PackageType string
	CodeSize                                                                                                                                            int64
	Timeout, MemorySize                                                                                                                                 int
	Environment                                                                                                                                         struct{ Variables map[string]string }
	Architectures                                                                                                                                       []string
	Layers                                                                                                                                              []struct{ Arn string }
	EphemeralStorage                                                                                                                                    struct{ Size int }
}

// create makes the function fn of an archive whose index.js is code.
func (r *rig) create(code string, more ...string) (c configuration) {
	r.t.Helper()
	r.run(&c, append([]string{
		"create-function", "--function-name", "fn", "--runtime", "nodejs20.x", "--handler", "index.handler", "--role", role,
		"--zip-file", r.archive("index.js", code),
	}, more...)...)
	return c
}

func TestAWSCLIFunctions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := r.archive("index.js", "one")
	raw, err := os.ReadFile(strings.TrimPrefix(file, "fileb://"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	var c configuration
	r.run(&c, "create-function", "--function-name", "fn", "--runtime", "nodejs20.x", "--architectures", "x86_64", "--handler", "index.handler", "--role", role,
		"--zip-file", file, "--environment", `Variables={A=1,B=two}`, "--tags", "team=photos", "--description", "a <b> & c")
	if c.FunctionArn != prefix+"fn" || c.State != "Active" || c.LastUpdateStatus != "Successful" || c.Version != "$LATEST" || c.CodeSize != int64(len(raw)) || c.MemorySize != 128 ||
		c.Timeout != 3 || c.CodeSha256 != base64.StdEncoding.EncodeToString(sum[:]) || c.Environment.Variables["B"] != "two" || c.Description != "a <b> & c" ||
		c.PackageType != "Zip" || c.EphemeralStorage.Size != 512 || c.Architectures[0] != "x86_64" {
		t.Errorf("create-function = %+v", c)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000-0700", c.LastModified); err != nil {
		t.Errorf("LastModified: %v", err)
	}
	r.fails("ResourceConflictException", "already exist", "create-function", "--function-name", "fn", "--runtime", "nodejs20.x", "--handler", "index.handler", "--role", role, "--zip-file", file)

	began := time.Now()
	r.run(nil, "wait", "function-active-v2", "--function-name", "fn")
	r.run(&c, "update-function-code", "--function-name", "fn", "--zip-file", r.archive("index.js", "two"))
	r.run(nil, "wait", "function-updated-v2", "--function-name", "fn")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the waiters took %s: they did not succeed at their first poll", took)
	}
	r.run(&c, "update-function-configuration", "--function-name", "fn", "--memory-size", "512", "--timeout", "60", "--ephemeral-storage", "Size=1024")
	if c.MemorySize != 512 || c.Timeout != 60 || c.EphemeralStorage.Size != 1024 || c.Environment.Variables["A"] != "1" {
		t.Errorf("update-function-configuration = %+v, want what was changed, and the rest as it was", c)
	}

	var got struct {
		Configuration configuration
		Code          struct{ RepositoryType, Location string }
		Tags          map[string]string
	}
	r.run(&got, "get-function", "--function-name", prefix+"fn")
	if got.Configuration.CodeSha256 == base64.StdEncoding.EncodeToString(sum[:]) || got.Tags["team"] != "photos" || got.Code.RepositoryType != "S3" {
		t.Errorf("get-function = %+v", got)
	}
	resp, err := http.Get(got.Code.Location)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	code, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || string(code[:2]) != "PK" || int64(len(code)) != got.Configuration.CodeSize {
		t.Errorf("GET of the code's location = %s, %d bytes, %v, want the archive", resp.Status, len(code), err)
	}
	if other, err := http.Get(strings.Replace(got.Code.Location, "/fn/", "/other/", 1)); err != nil || other.StatusCode != 403 {
		t.Errorf("GET of another function's code with that signature = %v, %v, want 403", other.Status, err)
	}

	r.run(&c, "get-function-configuration", "--function-name", account+":function:fn")
	if c.MemorySize != 512 || c.FunctionArn != prefix+"fn" {
		t.Errorf("get-function-configuration = %+v", c)
	}
	var list struct{ Functions []configuration }
	r.run(&list, "list-functions")
	if len(list.Functions) != 1 || list.Functions[0].FunctionName != "fn" {
		t.Errorf("list-functions = %+v", list)
	}
	r.run(&list, "list-functions", "--region", "us-east-1")
	if len(list.Functions) != 0 {
		t.Errorf("list-functions of another region = %+v", list)
	}
	r.run(nil, "delete-function", "--function-name", "fn")
	r.fails("ResourceNotFoundException", "Function not found: "+prefix+"fn", "get-function", "--function-name", "fn")
}

func TestAWSCLIInvoke(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one", "--environment", "Variables={A=1}")
	out := filepath.Join(t.TempDir(), "out.json")
	var answer struct {
		StatusCode                                int
		ExecutedVersion, FunctionError, LogResult string
	}
	r.run(&answer, "invoke", "--function-name", "fn", "--payload", `{"a":1}`, "--log-type", "Tail",
		"--client-context", base64.StdEncoding.EncodeToString([]byte(`{"custom":{}}`)), out)
	payload, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var saw struct {
		Event, Code, Version, Context string
		Environment                   map[string]string
	}
	if err := json.Unmarshal(payload, &saw); err != nil {
		t.Fatal(err)
	}
	if saw.Event != `{"a":1}` || saw.Code != "one" || saw.Version != "$LATEST" || saw.Environment["A"] != "1" || saw.Context != `{"custom":{}}` {
		t.Errorf("the function saw %s", payload)
	}
	tail, _ := base64.StdEncoding.DecodeString(answer.LogResult)
	if answer.StatusCode != 200 || answer.ExecutedVersion != "$LATEST" || answer.FunctionError != "" || string(tail) != "START\nEND\n" {
		t.Errorf("invoke = %+v, with log %q", answer, tail)
	}
	r.run(&answer, "invoke", "--function-name", "fn", "--invocation-type", "DryRun", out)
	if answer.StatusCode != 204 {
		t.Errorf("dry run = %+v, want status 204", answer)
	}
	r.run(&answer, "invoke", "--function-name", "fn", "--invocation-type", "Event", "--payload", `{}`, out)
	if answer.StatusCode != 202 {
		t.Errorf("event = %+v, want status 202", answer)
	}
	r.fails("InvalidRequestContentException", "", "invoke", "--function-name", "fn", "--payload", `{`, out)
	r.fails("ResourceNotFoundException", "", "invoke", "--function-name", "fn", "--qualifier", "7", out)
	r.run(nil, "put-function-concurrency", "--function-name", "fn", "--reserved-concurrent-executions", "0")
	r.fails("TooManyRequestsException", "Rate Exceeded", "invoke", "--function-name", "fn", out)
	r.run(nil, "delete-function-concurrency", "--function-name", "fn")
	r.run(nil, "invoke", "--function-name", "fn", out)
}

func TestAWSCLIVersionsAndAliases(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one")
	var v configuration
	publish := func(want string, more ...string) {
		t.Helper()
		r.run(&v, append([]string{"publish-version", "--function-name", "fn"}, more...)...)
		if v.FunctionArn != prefix+"fn:"+want || v.Version != want {
			t.Errorf("publish-version = %s (%s), want version %s", v.Version, v.FunctionArn, want)
		}
	}
	publish("1", "--description", "first")
	publish("1", "--description", "second") // nothing changed
	r.fails("PreconditionFailedException", "", "publish-version", "--function-name", "fn", "--code-sha256", "bm8=")
	r.fails("PreconditionFailedException", "", "publish-version", "--function-name", "fn", "--revision-id", "00000000-0000-0000-0000-000000000000")
	r.run(&v, "update-function-code", "--function-name", "fn", "--zip-file", r.archive("index.js", "two"), "--publish")
	if v.Version != "2" {
		t.Errorf("update-function-code --publish = %+v, want version 2", v)
	}
	var versions struct{ Versions []configuration }
	r.run(&versions, "list-versions-by-function", "--function-name", "fn")
	var names []string
	for _, v := range versions.Versions {
		names = append(names, v.Version+" "+v.Description)
	}
	if got := strings.Join(names, ","); got != "$LATEST ,1 first,2 " {
		t.Errorf("versions = %q", got)
	}

	type alias struct {
		AliasArn, Name, FunctionVersion, Description, RevisionId string
		RoutingConfig                                            struct{ AdditionalVersionWeights map[string]float64 }
	}
	var a alias
	r.run(&a, "create-alias", "--function-name", "fn", "--name", "live", "--function-version", "1", "--description", "d")
	if a.AliasArn != prefix+"fn:live" || a.FunctionVersion != "1" || a.Description != "d" {
		t.Errorf("create-alias = %+v", a)
	}
	r.fails("ResourceConflictException", "", "create-alias", "--function-name", "fn", "--name", "live", "--function-version", "1")
	r.fails("ResourceNotFoundException", "", "create-alias", "--function-name", "fn", "--name", "dead", "--function-version", "9")
	out := filepath.Join(t.TempDir(), "out.json")
	var answer struct{ ExecutedVersion string }
	r.run(&answer, "invoke", "--function-name", "fn:live", out)
	if answer.ExecutedVersion != "1" {
		t.Errorf("the alias ran version %s, want 1", answer.ExecutedVersion)
	}
	r.run(&a, "update-alias", "--function-name", "fn", "--name", "live", "--routing-config", "AdditionalVersionWeights={2=1}", "--revision-id", a.RevisionId)
	if a.FunctionVersion != "1" || a.RoutingConfig.AdditionalVersionWeights["2"] != 1 {
		t.Errorf("update-alias = %+v", a)
	}
	r.run(&answer, "invoke", "--function-name", "fn", "--qualifier", "live", out)
	if answer.ExecutedVersion != "2" {
		t.Errorf("the alias with all weight on 2 ran version %s", answer.ExecutedVersion)
	}
	r.fails("PreconditionFailedException", "", "update-alias", "--function-name", "fn", "--name", "live", "--function-version", "2", "--revision-id", "0")
	r.fails("ResourceConflictException", "alias live", "delete-function", "--function-name", "fn:2")
	var aliases struct{ Aliases []alias }
	r.run(&aliases, "list-aliases", "--function-name", "fn")
	r.run(&a, "get-alias", "--function-name", "fn", "--name", "live")
	if len(aliases.Aliases) != 1 || a.Name != "live" {
		t.Errorf("list-aliases = %+v, get-alias = %+v", aliases, a)
	}
	r.run(nil, "delete-alias", "--function-name", "fn", "--name", "live")
	r.fails("ResourceNotFoundException", "", "get-alias", "--function-name", "fn", "--name", "live")
	r.run(nil, "delete-function", "--function-name", "fn", "--qualifier", "2")
	r.fails("InvalidParameterValueException", "does not match", "get-function", "--function-name", "fn:1", "--qualifier", "2")
}

func TestAWSCLIPermissionsAndTags(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one")
	r.run(nil, "publish-version", "--function-name", "fn")
	var added struct{ Statement string }
	r.run(&added, "add-permission", "--function-name", "fn", "--statement-id", "cf", "--action", "lambda:InvokeFunction", "--principal", "cloudfront.amazonaws.com",
		"--source-arn", "arn:aws:cloudfront::"+account+":distribution/E1", "--source-account", account)
	var statement struct {
		Sid, Effect, Action, Resource string
		Principal                     struct{ Service string }
		Condition                     map[string]map[string]string
	}
	if err := json.Unmarshal([]byte(added.Statement), &statement); err != nil || statement.Sid != "cf" || statement.Principal.Service != "cloudfront.amazonaws.com" ||
		statement.Resource != prefix+"fn" || statement.Condition["StringEquals"]["AWS:SourceAccount"] != account {
		t.Errorf("add-permission = %s, %v", added.Statement, err)
	}
	r.run(nil, "add-permission", "--function-name", "fn:1", "--statement-id", "cf", "--action", "lambda:InvokeFunction", "--principal", account)
	var policy struct{ Policy, RevisionId string }
	r.run(&policy, "get-policy", "--function-name", "fn")
	if strings.Contains(policy.Policy, "fn:1") || !strings.Contains(policy.Policy, "cloudfront.amazonaws.com") {
		t.Errorf("get-policy = %s, want the function's own statement alone", policy.Policy)
	}
	r.fails("PreconditionFailedException", "", "remove-permission", "--function-name", "fn", "--statement-id", "cf", "--revision-id", "0")
	r.run(nil, "remove-permission", "--function-name", "fn", "--statement-id", "cf", "--revision-id", policy.RevisionId)
	r.fails("ResourceNotFoundException", "", "get-policy", "--function-name", "fn")
	r.run(&policy, "get-policy", "--function-name", "fn", "--qualifier", "1")
	r.fails("ResourceNotFoundException", "", "remove-permission", "--function-name", "fn", "--statement-id", "cf")

	var tags struct{ Tags map[string]string }
	r.run(nil, "tag-resource", "--resource", prefix+"fn", "--tags", "a=1,b=2")
	r.run(nil, "untag-resource", "--resource", prefix+"fn", "--tag-keys", "a", "c")
	r.run(&tags, "list-tags", "--resource", prefix+"fn")
	if len(tags.Tags) != 1 || tags.Tags["b"] != "2" {
		t.Errorf("list-tags = %v", tags.Tags)
	}
}

func TestAWSCLILayersEventsAndAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	type layer struct {
		LayerArn, LayerVersionArn string
		Version                   int
		Content                   struct{ Location string }
	}
	var l layer
	r.run(&l, "publish-layer-version", "--layer-name", "sharp", "--compatible-runtimes", "nodejs20.x", "--zip-file", r.archive("nodejs/a.js", "x"))
	arn := "arn:aws:lambda:" + region + ":" + account + ":layer:sharp"
	if l.LayerArn != arn || l.LayerVersionArn != arn+":1" || l.Version != 1 {
		t.Errorf("publish-layer-version = %+v", l)
	}
	if resp, err := http.Get(l.Content.Location); err != nil || resp.StatusCode != 200 {
		t.Errorf("GET of the layer's location = %v, %v", resp, err)
	}
	r.run(&l, "publish-layer-version", "--layer-name", "sharp", "--zip-file", r.archive("nodejs/a.js", "y"))
	c := r.create("one", "--layers", arn+":1")
	if len(c.Layers) != 1 || c.Layers[0].Arn != arn+":1" {
		t.Errorf("create-function with a layer = %+v", c)
	}
	r.fails("InvalidParameterValueException", "Two different versions", "update-function-configuration", "--function-name", "fn", "--layers", arn+":1", arn+":2")
	r.fails("InvalidParameterValueException", "does not exist", "update-function-configuration", "--function-name", "fn", "--layers", arn+":9")
	var versions struct{ LayerVersions []layer }
	r.run(&versions, "list-layer-versions", "--layer-name", "sharp")
	var layers struct {
		Layers []struct{ LatestMatchingVersion layer }
	}
	r.run(&layers, "list-layers", "--compatible-runtime", "nodejs20.x")
	if len(versions.LayerVersions) != 2 || versions.LayerVersions[0].Version != 2 || len(layers.Layers) != 1 || layers.Layers[0].LatestMatchingVersion.Version != 1 {
		t.Errorf("list-layer-versions = %+v, list-layers = %+v", versions, layers)
	}
	r.run(&l, "get-layer-version-by-arn", "--arn", arn+":1")
	r.run(&l, "get-layer-version", "--layer-name", "sharp", "--version-number", "2")
	r.run(nil, "delete-layer-version", "--layer-name", "sharp", "--version-number", "1")
	r.fails("ResourceNotFoundException", "", "get-layer-version", "--layer-name", "sharp", "--version-number", "1")
	r.run(nil, "invoke", "--function-name", "fn", filepath.Join(t.TempDir(), "out")) // it keeps its layer

	var e struct {
		FunctionArn                                    string
		LastModified                                   any
		MaximumRetryAttempts, MaximumEventAgeInSeconds int
		DestinationConfig                              struct{ OnFailure struct{ Destination string } }
	}
	r.run(&e, "put-function-event-invoke-config", "--function-name", "fn", "--maximum-retry-attempts", "1", "--destination-config", `{"OnFailure":{"Destination":"`+prefix+`fn"}}`)
	r.run(&e, "update-function-event-invoke-config", "--function-name", "fn", "--maximum-event-age-in-seconds", "60")
	r.run(&e, "get-function-event-invoke-config", "--function-name", "fn")
	if e.FunctionArn != prefix+"fn:$LATEST" || e.MaximumRetryAttempts != 1 || e.MaximumEventAgeInSeconds != 60 || e.DestinationConfig.OnFailure.Destination != prefix+"fn" {
		t.Errorf("event invoke configuration = %+v", e)
	}
	r.fails("InvalidParameterValueException", "no SQS", "put-function-event-invoke-config", "--function-name", "fn", "--destination-config", `{"OnFailure":{"Destination":"arn:aws:sqs:eu-west-1:`+account+`:q"}}`)
	var events struct{ FunctionEventInvokeConfigs []any }
	r.run(&events, "list-function-event-invoke-configs", "--function-name", "fn")
	if len(events.FunctionEventInvokeConfigs) != 1 {
		t.Errorf("list-function-event-invoke-configs = %+v", events)
	}
	r.run(nil, "delete-function-event-invoke-config", "--function-name", "fn")
	r.fails("ResourceNotFoundException", "EventInvokeConfig", "get-function-event-invoke-config", "--function-name", "fn")

	var settings struct {
		AccountLimit struct{ ConcurrentExecutions, UnreservedConcurrentExecutions int }
		AccountUsage struct{ FunctionCount int }
	}
	r.run(nil, "put-function-concurrency", "--function-name", "fn", "--reserved-concurrent-executions", "100")
	r.fails("InvalidParameterValueException", "below its minimum value of [100]", "put-function-concurrency", "--function-name", "fn", "--reserved-concurrent-executions", "901")
	r.run(&settings, "get-account-settings")
	if settings.AccountLimit.ConcurrentExecutions != 1000 || settings.AccountLimit.UnreservedConcurrentExecutions != 900 || settings.AccountUsage.FunctionCount != 1 {
		t.Errorf("get-account-settings = %+v", settings)
	}
	var reserved struct{ ReservedConcurrentExecutions int }
	r.run(&reserved, "get-function-concurrency", "--function-name", "fn")
	if reserved.ReservedConcurrentExecutions != 100 {
		t.Errorf("get-function-concurrency = %+v", reserved)
	}
	r.run(nil, "get-function-code-signing-config", "--function-name", "fn")
	r.fails("NotImplemented", "function URLs", "create-function-url-config", "--function-name", "fn", "--auth-type", "NONE")
}

func TestAWSCLICodeFromS3AndByURI(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.objects["code/fn.zip?"] = string(zipOf(t, "index.js", "current"))
	r.objects["code/fn.zip?v1"] = string(zipOf(t, "index.js", "old"))
	var c configuration
	r.run(&c, "create-function", "--function-name", "fn", "--runtime", "provided.al2023", "--handler", "bootstrap", "--role", role, "--code", "S3Bucket=code,S3Key=fn.zip")
	current := c.CodeSha256
	r.run(&c, "update-function-code", "--function-name", "fn", "--s3-bucket", "code", "--s3-key", "fn.zip", "--s3-object-version", "v1")
	if c.CodeSha256 == current {
		t.Error("the object's version was not read")
	}
	r.fails("InvalidParameterValueException", "S3 Error Code: NoSuchKey", "update-function-code", "--function-name", "fn", "--s3-bucket", "code", "--s3-key", "no.zip")
	r.fails("InvalidParameterValueException", "container images are not supported", "create-function", "--function-name", "image", "--package-type", "Image", "--role", role, "--code", "ImageUri=x.dkr.ecr.eu-west-1.amazonaws.com/y:z")
	c = configuration{}
	r.run(&c, "create-function", "--function-name", "echo", "--package-type", "Image", "--role", role, "--code", "ImageUri=glassine://echo")
	if c.PackageType != "Image" || c.Runtime != "" {
		t.Errorf("create-function of a built-in = %+v", c)
	}
	var got struct{ Code struct{ ImageUri string } }
	r.run(&got, "get-function", "--function-name", "echo")
	if got.Code.ImageUri != "glassine://echo" {
		t.Errorf("get-function of a built-in = %+v", got)
	}
	r.fails("InvalidParameterValueException", "mandatory", "create-function", "--function-name", "x", "--role", role, "--zip-file", r.archive("index.js", "x"))
	r.fails("InvalidParameterValueException", "no VPCs", "update-function-configuration", "--function-name", "fn", "--vpc-config", "SubnetIds=subnet-1,SecurityGroupIds=sg-1")
	r.fails("InvalidParameterValueException", "reserved keys", "update-function-configuration", "--function-name", "fn", "--environment", "Variables={AWS_REGION=x}")
}
