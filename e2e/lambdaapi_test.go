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

	"glassine"
	"glassine/logs"
)

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

// What a function did is in its log: read with aws-cli, and from the disk after a restart.
func TestAWSCLILogsOfAFunction(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
