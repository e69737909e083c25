package cloudformationapi_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/iam"
)

// ask signs a form as the key and returns the answer.
func ask(t *testing.T, h http.Handler, key iam.Credentials, pairs ...string) (status int, body string) {
	t.Helper()
	form := url.Values{"Version": {"2010-05-15"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	text := form.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://cloudformation.us-east-1.amazonaws.com/", strings.NewReader(text))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, "us-east-1", "cloudformation", sigv4.PayloadSHA256([]byte(text)), time.Now())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Result().Body)
	if kind := w.Result().Header.Get("Content-Type"); w.Code == http.StatusOK && kind != "text/xml" {
		t.Errorf("content type %q", kind)
	}
	return w.Code, string(b)
}

func TestErrorsOnTheWire(t *testing.T) {
	srv, _, root := server(t)
	for _, c := range []struct {
		name   string
		form   []string
		status int
		parts  []string
	}{
		{"no action", nil, 400, []string{"<Code>MissingAction</Code>"}},
		{"an action that AWS has not", []string{"Action", "MakeStack"}, 400, []string{`<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>InvalidAction</Code>`}},
		{"an action that is not served", []string{"Action", "DetectStackDrift", "StackName", "x"}, 501, []string{"<Code>NotImplemented</Code>", "DetectStackDrift"}},
		{"no name", []string{"Action", "CreateStack"}, 400, []string{"<Code>ValidationError</Code>", "Value null at &#39;stackName&#39;"}},
		{"no template", []string{"Action", "CreateStack", "StackName", "x"}, 400, []string{"Either Template URL or Template Body must be specified."}},
		{"both templates", []string{"Action", "CreateStack", "StackName", "x", "TemplateBody", "x", "TemplateURL", "s3://a/b"}, 400, []string{"cannot both be specified"}},
		{"a template that is too long", []string{"Action", "ValidateTemplate", "TemplateBody", strings.Repeat("#", 51_201)}, 400, []string{"length less than or equal to 51200"}},
		{"a bad name", []string{"Action", "CreateStack", "StackName", "a_b", "TemplateBody", template}, 400, []string{"failed to satisfy constraint"}},
		{"an unknown stack", []string{"Action", "DescribeStacks", "StackName", "X"}, 400, []string{"<Message>Stack with id X does not exist</Message>"}},
		{"events of an unknown stack", []string{"Action", "DescribeStackEvents", "StackName", "X"}, 400, []string{"<Message>Stack [X] does not exist</Message>"}},
		{"an unknown change set", []string{"Action", "DescribeChangeSet", "ChangeSetName", "c", "StackName", "X"}, 404, []string{"<Code>ChangeSetNotFound</Code>"}},
		{"a page that is none", []string{"Action", "DescribeStacks", "NextToken", "%"}, 400, []string{"NextToken is not valid."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := ask(t, srv.Config.Handler, root, c.form...)
			if status != c.status {
				t.Errorf("status %d, want %d: %s", status, c.status, body)
			}
			for _, p := range c.parts {
				if !strings.Contains(body, p) {
					t.Errorf("%s lacks %q", body, p)
				}
			}
		})
	}
}

// What the CDK's command line sends (seen 2026-11, aws-cdk 2.1148.1): empty lists, and fields that change nothing here.
func TestChangeSetAsTheCDKAsksForIt(t *testing.T) {
	srv, _, root := server(t)
	status, body := ask(t, srv.Config.Handler, root, "Action", "CreateChangeSet", "StackName", "demo", "ChangeSetName", "cdk-deploy-change-set", "TemplateURL", "http://127.0.0.1:4566/templates/a.yaml",
		"Parameters", "", "Tags", "", "Capabilities.member.1", "CAPABILITY_IAM", "Capabilities.member.2", "CAPABILITY_NAMED_IAM", "Capabilities.member.3", "CAPABILITY_AUTO_EXPAND",
		"ClientToken", "create1", "Description", "CDK Changeset for execution 1", "ChangeSetType", "CREATE", "IncludeNestedStacks", "true", "ImportExistingResources", "false", "DeploymentConfig.Mode", "STANDARD")
	if status != 200 || !strings.Contains(body, "<CreateChangeSetResult><Id>arn:aws:cloudformation:us-east-1:"+account+":changeSet/cdk-deploy-change-set/") {
		t.Fatalf("%d %s", status, body)
	}
	_, body = ask(t, srv.Config.Handler, root, "Action", "DescribeChangeSet", "StackName", "demo", "ChangeSetName", "cdk-deploy-change-set", "IncludePropertyValues", "true")
	for _, p := range []string{"<Status>CREATE_COMPLETE</Status>", "<ExecutionStatus>AVAILABLE</ExecutionStatus>", "<AfterContext>{&#34;Metadata&#34;:", "<Action>Add</Action>"} {
		if !strings.Contains(body, p) {
			t.Errorf("%s lacks %q", body, p)
		}
	}
	_, body = ask(t, srv.Config.Handler, root, "Action", "DescribeStackEvents", "StackName", "demo")
	if !strings.Contains(body, "<ResourceStatus>REVIEW_IN_PROGRESS</ResourceStatus><ResourceStatusReason>User Initiated</ResourceStatusReason>") {
		t.Errorf("events: %s", body)
	}
}

func TestEventsArePaged(t *testing.T) {
	srv, _, root := server(t)
	var b strings.Builder
	b.WriteString("Resources:\n")
	for i := range 70 {
		fmt.Fprintf(&b, "  R%d: {Type: Test::Thing}\n", i)
	}
	if status, body := ask(t, srv.Config.Handler, root, "Action", "CreateStack", "StackName", "demo", "TemplateBody", b.String(), "Capabilities.member.1", "CAPABILITY_IAM"); status != 200 {
		t.Fatal(body)
	}
	for _, action := range []string{"DescribeStackEvents", "DescribeEvents"} {
		seen, token, last := map[string]bool{}, "", ""
		for pages := 0; ; pages++ {
			form := []string{"Action", action, "StackName", "demo"}
			if token != "" {
				form = append(form, "NextToken", token)
			}
			status, body := ask(t, srv.Config.Handler, root, form...)
			var out struct {
				Events []struct {
					EventId, Timestamp string
				} `xml:"DescribeStackEventsResult>StackEvents>member"`
				Operation []struct {
					EventId, Timestamp, OperationId string
				} `xml:"DescribeEventsResult>OperationEvents>member"`
				Next  string `xml:"DescribeStackEventsResult>NextToken"`
				Next2 string `xml:"DescribeEventsResult>NextToken"`
			}
			if err := xml.Unmarshal([]byte(body), &out); err != nil || status != 200 {
				t.Fatalf("%d %v %s", status, err, body)
			}
			for _, e := range out.Operation {
				if e.OperationId == "" {
					t.Errorf("event %s is of no operation", e.EventId)
				}
				out.Events = append(out.Events, struct{ EventId, Timestamp string }{e.EventId, e.Timestamp})
			}
			for _, e := range out.Events {
				if seen[e.EventId] {
					t.Errorf("%s twice", e.EventId)
				}
				if last != "" && e.Timestamp >= last {
					t.Errorf("%s is not older than %s", e.Timestamp, last)
				}
				seen[e.EventId], last = true, e.Timestamp
			}
			if token = out.Next + out.Next2; token == "" {
				break
			}
		}
		// Three events for each resource, and two of the stack.
		if len(seen) != 212 {
			t.Errorf("%s: %d events, want 212", action, len(seen))
		}
	}
	_, body := ask(t, srv.Config.Handler, root, "Action", "DescribeEvents", "StackName", "demo", "Filters.FailedEvents", "true")
	if strings.Contains(body, "<member>") {
		t.Errorf("failed events: %s", body)
	}
}
