package e2e

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/iam"
	"glassine/transform/sample"
)

// killedStack deploys the stack album from a folder, with a program that is killed meanwhile.
type killedStack struct {
	*edgeProcess
	t         *testing.T
	data, dir string
	key       iam.Credentials
	api       *http.Client
}

// serve starts the program on the data directory.
func (k *killedStack) serve() {
	k.t.Helper()
	k.edgeProcess = serveEdge(k.t, k.data)
	var err error
	if k.key, err = glassine.RootCredentials(k.data); err != nil {
		k.t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(k.data, "ca.pem"))
	if err != nil {
		k.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	k.api = &http.Client{Transport: awsTransport(roots, k.aws)}
	k.t.Cleanup(k.api.CloseIdleConnections)
}

func (k *killedStack) command(args ...string) typed {
	k.t.Helper()
	return commandAt(k.t, k.data, k.aws, k.dir, args...)
}

// ask sends a signed request to one of AWS's names.
func (k *killedStack) ask(service, method, url string, body []byte) answer {
	k.t.Helper()
	req := request(k.t, method, url, body)
	if service == "iam" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("X-Amz-Account-Id", account)
	sign(req, k.key, service, body)
	a := do(k.t, k.api, req)
	if a.StatusCode != http.StatusOK {
		k.t.Fatalf("%s %s: %s %s", method, url, a.Status, a.body)
	}
	return a
}

// has returns the lists of the services that name something of the stack.
func (k *killedStack) has() (lists []string) {
	k.t.Helper()
	for _, c := range []struct{ service, url, form string }{
		{"s3", "https://s3.us-east-1.amazonaws.com/", ""},
		{"s3", "https://" + account + ".s3-control.us-east-1.amazonaws.com/v20180820/accesspoint", ""},
		{"s3", "https://" + account + ".s3-control.us-east-1.amazonaws.com/v20180820/accesspointforobjectlambda", ""},
		{"lambda", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions", ""},
		{"iam", "https://iam.amazonaws.com/", "Action=ListRoles&Version=2010-05-08"},
		{"cloudfront", "https://cloudfront.amazonaws.com/2020-05-31/distribution", ""},
		{"cloudfront", "https://cloudfront.amazonaws.com/2020-05-31/cache-policy?Type=custom", ""},
	} {
		method := http.MethodGet
		if c.form != "" {
			method = http.MethodPost
		}
		if bytes.Contains(k.ask(c.service, method, c.url, []byte(c.form)).body, []byte("album")) {
			lists = append(lists, c.url)
		}
	}
	return lists
}

// status is the stack's, when nothing is under way any more; "" when there is none.
func (k *killedStack) status() string {
	k.t.Helper()
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) { // another process
		said := k.command("stacks", "-o", "json")
		said.wants(k.t, 0)
		var all []struct{ StackName, StackStatus string }
		if err := json.Unmarshal([]byte(said.out), &all); err != nil {
			k.t.Fatal(err, said.out)
		}
		if len(all) == 0 {
			return ""
		}
		s := all[0].StackStatus
		if s == "REVIEW_IN_PROGRESS" || s != "" && !strings.HasSuffix(s, "_IN_PROGRESS") {
			return s
		}
		if time.Now().After(late) {
			k.t.Fatalf("the stack does not end: %s", said.out)
		}
	}
}

// serves wants a picture without metadata at the edge.
func (k *killedStack) serves() {
	k.t.Helper()
	bucket := strings.TrimSpace(k.command("outputs", "album", "BucketName").out)
	k.ask("s3", http.MethodPut, "https://"+bucket+".s3.us-east-1.amazonaws.com/a.jpg", sample.JPEG)
	viewer := k.viewers()[1]
	defer viewer.CloseIdleConnections()
	a := do(k.t, viewer, request(k.t, http.MethodGet, "https://album.localhost/a.jpg", nil))
	if a.StatusCode != http.StatusOK || !bytes.HasPrefix(a.body, []byte{0xff, 0xd8}) {
		k.t.Fatalf("picture: %s %.300q", a.Status, a.body)
	}
	if left := tags(k.t, writeTemp(k.t, "left.jpg", a.body)); left["GPS:GPSLatitude"] != nil || left["IFD0:Make"] != nil {
		k.t.Errorf("metadata left: %v", left)
	}
}

// A program that is killed at any moment of a deploy goes on with it when it starts again: another deploy ends well, pictures are
// served, and what is removed then is all that there was.
func TestKilledDeploy(t *testing.T) {
	k := &killedStack{t: t, data: t.TempDir(), dir: t.TempDir()}
	k.serve()
	k.command("init", "--name", "album").wants(t, 0)
	deploy := []string{"deploy", "stack.yaml", "--stack", "album"}
	k.command(deploy...).wants(t, 0, "album: created")
	if lists := k.has(); len(lists) != 7 {
		t.Fatalf("only these lists know the stack: %q", lists)
	}
	destroy := func() {
		t.Helper()
		k.command("destroy", "album", "--empty-buckets", "--logs").wants(t, 0, "album: deleted")
		if lists := k.has(); lists != nil {
			t.Errorf("something is left in %q", lists)
		}
	}
	destroy()
	second := k.command(deploy...) // the first one is slower
	second.wants(t, 0, "album: created")
	destroy()
	const points = 10
	cut, underWay := 0, 0
	for i := range points {
		at := second.took * time.Duration(2*i+1) / (2 * points)
		victim := k.edgeProcess
		timer := time.AfterFunc(at, func() { _ = victim.cmd.Process.Kill() })
		first := k.command(deploy...)
		timer.Stop()
		victim.kill()
		k.serve()
		status := k.status()
		t.Logf("killed after %s: the deploy ended with %d, the stack is %q", at.Round(time.Millisecond), first.code, status)
		switch {
		case status != "CREATE_COMPLETE" && status != "" && status != "REVIEW_IN_PROGRESS":
			t.Errorf("the stack is %s", status)
		case first.code == 0 && status != "CREATE_COMPLETE":
			t.Errorf("the deploy was done, and the stack is %q", status)
		case first.code == 0:
		case status == "CREATE_COMPLETE":
			cut, underWay = cut+1, underWay+1
		default: // nothing was begun
			cut++
		}
		again := k.command(deploy...)
		again.wants(t, 0)
		if !strings.Contains(again.out, "album: created") && !strings.Contains(again.out, "album: no changes") {
			t.Errorf("another deploy says\n%s", again.out)
		}
		k.serves()
		destroy()
	}
	// Else it was killed before or after everything, and nothing was tested.
	if cut < 3 || underWay == 0 {
		t.Errorf("of %d kills %d cut the deploy off, and %d stacks were gone on with", points, cut, underWay)
	}
}
