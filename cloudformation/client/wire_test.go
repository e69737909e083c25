package client

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/aws/wire"
)

const testAccount = "123456789012"

// fakeAWS answers as much of AWS's wire as deploys use, from memory. A stack's operation goes on by one event each time that its
// events are asked for, two to a page.
type fakeAWS struct {
	t *testing.T

	mu      sync.Mutex
	stacks  []*fakeStack // deleted ones too
	sets    map[string]*fakeSet
	objects map[string][]byte // by bucket/key; a bucket is bucket/
	calls   []string
	// fails are the reasons with which resources fail, by logical id.
	fails map[string]string
	// lingers are resources that the lists name although they are deleted.
	lingers map[string]bool
	// refuse answers CreateChangeSet, if it is not nil.
	refuse func(template string) (code, message string)
	n      int
}

type fakeStack struct {
	id, name, status, body string
	parameters             map[string]string
	events                 []string // XML, oldest first
	todo                   []func()
	resources              []Resource
	created                time.Time
	protected              bool
}

type fakeSet struct {
	id, stack, kind, body, status, reason string
	parameters                            map[string]string
	changes                               string
}

func newFakeAWS(t *testing.T) (*fakeAWS, *Client) {
	f := &fakeAWS{t: t, sets: map[string]*fakeSet{}, objects: map[string][]byte{}, fails: map[string]string{}, lingers: map[string]bool{}}
	return f, New(wire.Client{Credentials: sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "s"}, HTTP: &http.Client{Transport: f}}, "us-east-1")
}

// RoundTrip implements http.RoundTripper.
func (f *fakeAWS) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := httptest.NewRecorder()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	host := r.URL.Host
	switch {
	case strings.HasPrefix(host, "cloudformation."), strings.HasPrefix(host, "sts."), strings.HasPrefix(host, "iam."):
		form, err := url.ParseQuery(string(body))
		if err != nil {
			f.t.Error(err)
		}
		f.query(w, form)
	case strings.HasPrefix(host, "logs."), strings.HasPrefix(host, "ssm."):
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		f.calls = append(f.calls, operation)
		fmt.Fprint(w, `{"logGroups":[{"logGroupName":"/aws/lambda/fn-Fn"},{"logGroupName":"/aws/lambda/fn-Fn2"}],"Parameters":[]}`)
	case strings.Contains(host, ".s3."), strings.HasPrefix(host, "s3."):
		f.s3(w, r, strings.TrimSuffix(strings.TrimSuffix(host, ".s3.us-east-1.amazonaws.com"), ".s3.eu-west-1.amazonaws.com"), body)
	case strings.HasPrefix(host, "lambda."):
		f.calls = append(f.calls, "ListFunctions")
		fmt.Fprint(w, `{"Functions":[`+f.left("AWS::Lambda::Function", func(id string) string { return `{"FunctionName":"` + id + `"}` }, ",")+`],"NextMarker":null}`)
	default:
		f.t.Errorf("a call of %s %s", r.Method, r.URL)
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// left writes the resources of a type that are there.
func (f *fakeAWS) left(typeName string, write func(id string) string, between string) string {
	var out []string
	for _, s := range f.stacks {
		for _, r := range s.resources {
			if r.Type == typeName && (r.Status != "DELETE_COMPLETE" || f.lingers[r.LogicalID]) {
				out = append(out, write(r.PhysicalID))
			}
		}
	}
	return strings.Join(out, between)
}

func (f *fakeAWS) s3(w http.ResponseWriter, r *http.Request, bucket string, body []byte) {
	key := strings.TrimPrefix(r.URL.Path, "/")
	f.calls = append(f.calls, r.Method+" "+bucket+"/"+key)
	_, there := f.objects[bucket+"/"]
	switch {
	case bucket == "s3.us-east-1.amazonaws.com":
		fmt.Fprint(w, `<ListAllMyBucketsResult><Buckets>`+f.left("AWS::S3::Bucket", func(id string) string { return "<Bucket><Name>" + id + "</Name></Bucket>" }, "")+`</Buckets></ListAllMyBucketsResult>`)
	case r.Method == http.MethodPut && key == "":
		f.objects[bucket+"/"] = nil
	case !there:
		w.WriteHeader(http.StatusNotFound)
		if r.Method != http.MethodHead {
			fmt.Fprint(w, `<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>`)
		}
	case r.Method == http.MethodPut:
		f.objects[bucket+"/"+key] = body
	case r.Method == http.MethodHead:
		if _, ok := f.objects[bucket+"/"+key]; !ok {
			w.WriteHeader(http.StatusNotFound)
		}
	case r.Method == http.MethodGet && r.URL.Query().Has("versions"):
		out := ""
		for name := range f.objects {
			if b, k, _ := strings.Cut(name, "/"); b == bucket && k != "" {
				out += "<Version><Key>" + url.QueryEscape(k) + "</Key><VersionId>null</VersionId></Version>"
			}
		}
		fmt.Fprint(w, `<ListVersionsResult>`+out+`</ListVersionsResult>`)
	case r.Method == http.MethodDelete:
		delete(f.objects, bucket+"/"+key)
	case r.Method == http.MethodPost:
		var in struct{ Object []objectVersion }
		if err := xml.Unmarshal(body, &in); err != nil {
			f.t.Error(err)
		}
		for _, o := range in.Object {
			delete(f.objects, bucket+"/"+o.Key)
		}
		fmt.Fprint(w, `<DeleteResult/>`)
	}
}

func (f *fakeAWS) query(w http.ResponseWriter, form url.Values) {
	action := form.Get("Action")
	f.calls = append(f.calls, action)
	result, err := f.answer(action, form)
	if err != nil {
		code, message, _ := strings.Cut(err.Error(), ": ")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, code, escape(message))
		return
	}
	fmt.Fprintf(w, `<%[1]sResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><%[1]sResult>%s</%[1]sResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>`, action, result)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

func (f *fakeAWS) find(name string) *fakeStack {
	for _, s := range slices.Backward(f.stacks) {
		if s.id == name || s.name == name && s.status != "DELETE_COMPLETE" {
			return s
		}
	}
	return nil
}

func (f *fakeAWS) answer(action string, form url.Values) (string, error) {
	s := f.find(form.Get("StackName"))
	switch action {
	case "GetCallerIdentity":
		return "<Account>" + testAccount + "</Account>", nil
	case "ListRoles":
		return f.left("AWS::IAM::Role", func(id string) string { return "<member><RoleName>" + id + "</RoleName></member>" }, ""), nil
	case "ValidateTemplate":
		return "", nil
	case "CreateChangeSet":
		return f.createChangeSet(form)
	case "DescribeStacks":
		return f.describeStacks(form.Get("StackName"))
	case "DescribeChangeSet":
		c := f.sets[form.Get("ChangeSetName")]
		return fmt.Sprintf("<ChangeSetId>%s</ChangeSetId><Status>%s</Status><StatusReason>%s</StatusReason><Changes>%s</Changes>", c.id, c.status, c.reason, c.changes), nil
	case "DeleteChangeSet":
		delete(f.sets, form.Get("ChangeSetName"))
		return "", nil
	case "ExecuteChangeSet":
		f.execute(f.sets[form.Get("ChangeSetName")])
		return "", nil
	}
	if s == nil {
		return "", fmt.Errorf("ValidationError: Stack [%s] does not exist", form.Get("StackName"))
	}
	switch action {
	case "DeleteStack":
		f.deleteStack(s)
		return "", nil
	case "GetTemplate":
		return "<TemplateBody>" + escape(s.body) + "</TemplateBody>", nil
	case "UpdateTerminationProtection":
		s.protected = form.Get("EnableTerminationProtection") == "true"
		return "", nil
	case "ListStackResources":
		out := ""
		for _, r := range s.resources {
			out += fmt.Sprintf("<member><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>%s</ResourceType><ResourceStatus>%s</ResourceStatus></member>", r.LogicalID, r.PhysicalID, r.Type, r.Status)
		}
		return "<StackResourceSummaries>" + out + "</StackResourceSummaries>", nil
	case "DescribeStackEvents":
		return f.events(s, form.Get("NextToken"))
	}
	return "", fmt.Errorf("InvalidAction: %s", action)
}

func (f *fakeAWS) events(s *fakeStack, token string) (string, error) {
	if token == "" && len(s.todo) > 0 {
		next := s.todo[0]
		s.todo = s.todo[1:]
		next()
	}
	newest := slices.Clone(s.events)
	slices.Reverse(newest)
	from, _ := strconv.Atoi(token)
	to := min(from+2, len(newest))
	more := ""
	if to < len(newest) {
		more = fmt.Sprintf("<NextToken>%d</NextToken>", to)
	}
	return "<StackEvents>" + strings.Join(newest[from:to], "") + "</StackEvents>" + more, nil
}

func (f *fakeAWS) describeStacks(name string) (string, error) {
	out := ""
	for _, s := range f.stacks {
		if name == "" && s.status != "DELETE_COMPLETE" || name != "" && s == f.find(name) {
			parameters := ""
			for k, v := range s.parameters {
				parameters += "<member><ParameterKey>" + k + "</ParameterKey><ParameterValue>" + v + "</ParameterValue></member>"
			}
			out += fmt.Sprintf("<member><StackId>%s</StackId><StackName>%s</StackName><StackStatus>%s</StackStatus><CreationTime>%s</CreationTime><EnableTerminationProtection>%t</EnableTerminationProtection><Parameters>%s</Parameters><Outputs><member><OutputKey>Name</OutputKey><OutputValue>%s</OutputValue></member></Outputs></member>",
				s.id, s.name, s.status, s.created.Format(time.RFC3339Nano), s.protected, parameters, s.name)
		}
	}
	if out == "" && name != "" {
		return "", fmt.Errorf("ValidationError: Stack with id %s does not exist", name)
	}
	return "<Stacks>" + out + "</Stacks>", nil
}

func (f *fakeAWS) createChangeSet(form url.Values) (string, error) {
	body := form.Get("TemplateBody")
	if at := form.Get("TemplateURL"); at != "" {
		body = string(f.objects[strings.TrimPrefix(at, "https://s3.us-east-1.amazonaws.com/")])
	}
	if f.refuse != nil {
		if code, message := f.refuse(body); code != "" {
			return "", errors.New(code + ": " + message)
		}
	}
	f.n++
	name := form.Get("StackName")
	s := f.find(name)
	if s == nil {
		s = &fakeStack{id: fmt.Sprintf("arn:aws:cloudformation:us-east-1:%s:stack/%s/%d", testAccount, name, f.n), name: name, status: "REVIEW_IN_PROGRESS", created: time.Unix(int64(1e9+f.n), 0).UTC()}
		f.stacks = append(f.stacks, s)
	}
	c := &fakeSet{id: fmt.Sprintf("arn:aws:cloudformation:us-east-1:%s:changeSet/x/%d", testAccount, f.n), stack: s.id, kind: form.Get("ChangeSetType"), body: body, status: "CREATE_COMPLETE", parameters: map[string]string{}}
	for i := 1; form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", i)); i++ {
		at := fmt.Sprintf("Parameters.member.%d.", i)
		key := form.Get(at + "ParameterKey")
		if c.parameters[key] = form.Get(at + "ParameterValue"); form.Get(at+"UsePreviousValue") == "true" {
			c.parameters[key] = s.parameters[key]
		}
	}
	old, wanted := map[string]any{}, resourcesOf(f.t, body)
	if c.kind == "UPDATE" {
		old = resourcesOf(f.t, s.body)
	}
	for _, id := range slices.Sorted(keys(wanted)) {
		typeName, _ := wanted[id].(map[string]any)["Type"].(string)
		switch {
		case old[id] == nil:
			c.change("Add", id, typeName, "")
		case !reflect.DeepEqual(old[id], wanted[id]):
			c.change("Modify", id, typeName, "<Replacement>True</Replacement>")
		}
	}
	for _, id := range slices.Sorted(keys(old)) {
		if wanted[id] == nil {
			c.change("Remove", id, old[id].(map[string]any)["Type"].(string), "")
		}
	}
	if c.changes == "" && reflect.DeepEqual(c.parameters, s.parameters) {
		c.status, c.reason = "FAILED", "The submitted information didn't contain changes. Submit different information to create a change set."
	}
	f.sets[c.id] = c
	return "<Id>" + c.id + "</Id><StackId>" + s.id + "</StackId>", nil
}

func (c *fakeSet) change(action, id, typeName, more string) {
	c.changes += fmt.Sprintf("<member><Type>Resource</Type><ResourceChange><Action>%s</Action><LogicalResourceId>%s</LogicalResourceId><ResourceType>%s</ResourceType>%s</ResourceChange></member>", action, id, typeName, more)
}

func resourcesOf(t *testing.T, body string) map[string]any {
	template, err := ParseTemplate("fake", body)
	if err != nil {
		t.Errorf("the template that was sent: %v\n%s", err, body)
		return nil
	}
	return template.Value()["Resources"].(map[string]any)
}

func (s *fakeStack) event(logical, physical, typeName, status, reason string) {
	s.events = append(s.events, fmt.Sprintf("<member><EventId>%s-%d</EventId><StackId>%s</StackId><StackName>%s</StackName><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>%s</ResourceType><ResourceStatus>%s</ResourceStatus><ResourceStatusReason>%s</ResourceStatusReason><Timestamp>%s</Timestamp></member>",
		s.name, len(s.events), s.id, s.name, logical, physical, typeName, status, escape(reason), time.Unix(1e9, int64(len(s.events))*1e6).UTC().Format("2006-01-02T15:04:05.000Z")))
}

func (s *fakeStack) own(status, reason string) {
	s.status = status
	s.event(s.name, s.id, stackType, status, reason)
}

func (f *fakeAWS) execute(c *fakeSet) {
	s := f.find(c.stack)
	before := s.status
	s.own(c.kind+"_IN_PROGRESS", "User Initiated")
	failed := false
	s.resources = nil
	all := resourcesOf(f.t, c.body)
	for _, id := range slices.Sorted(keys(all)) {
		r := all[id].(map[string]any)
		typeName := r["Type"].(string)
		s.todo = append(s.todo, func() {
			x := Resource{LogicalID: id, PhysicalID: s.name + "-" + id, Type: typeName, Status: "CREATE_COMPLETE"}
			switch {
			case failed:
				x.Status, x.Reason = "CREATE_FAILED", "Resource creation cancelled"
			case f.fails[id] != "":
				x.Status, x.Reason, failed = "CREATE_FAILED", f.fails[id], true
			}
			s.event(id, x.PhysicalID, typeName, x.Status, x.Reason)
			s.resources = append(s.resources, x)
		})
	}
	s.todo = append(s.todo, func() {
		if !failed {
			s.body, s.parameters = c.body, c.parameters
			s.own(c.kind+"_COMPLETE", "")
			return
		}
		if before == "REVIEW_IN_PROGRESS" {
			s.own("ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [X]. Rollback requested by user.")
			s.own("ROLLBACK_COMPLETE", "")
			return
		}
		s.own("UPDATE_ROLLBACK_COMPLETE", "")
	})
}

func (f *fakeAWS) deleteStack(s *fakeStack) {
	if s.status == "REVIEW_IN_PROGRESS" {
		s.status = "DELETE_COMPLETE"
		return
	}
	s.own("DELETE_IN_PROGRESS", "User Initiated")
	failed := false
	for i := range s.resources {
		s.todo = append(s.todo, func() {
			r := &s.resources[i]
			r.Status = "DELETE_COMPLETE"
			if s.body != "" {
				if in, _ := resourcesOf(f.t, s.body)[r.LogicalID].(map[string]any); in["DeletionPolicy"] == "Retain" {
					r.Status = "DELETE_SKIPPED"
				}
			}
			for name := range f.objects {
				if b, k, _ := strings.Cut(name, "/"); b == r.PhysicalID && k != "" && r.Status != "DELETE_SKIPPED" {
					r.Status, r.Reason, failed = "DELETE_FAILED", "The bucket you tried to delete is not empty", true
				}
			}
			s.event(r.LogicalID, r.PhysicalID, r.Type, r.Status, r.Reason)
		})
	}
	s.todo = append(s.todo, func() {
		if failed {
			s.own("DELETE_FAILED", "The following resource(s) failed to delete")
			return
		}
		s.own("DELETE_COMPLETE", "")
	})
}

// count is how often an operation was called.
func (f *fakeAWS) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == call || strings.HasPrefix(c, call+" ") {
			n++
		}
	}
	return n
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
