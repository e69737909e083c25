package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"glassine"
	"glassine/transform/sample"
)

// typed is what became of a command of glassine's command line.
type typed struct {
	out, err string // standard output and standard error
	code     int
	took     time.Duration
}

// glassine runs the command against the system, in a folder.
func (s *system) glassine(t *testing.T, dir string, args ...string) typed {
	t.Helper()
	return commandAt(t, s.data, s.Addresses().AWS, dir, args...)
}

// commandAt runs glassine's command line in a folder, against what serves a data directory at an address.
func commandAt(t *testing.T, data, aws, dir string, args ...string) typed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), glassineCommand(t), args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GLASSINE_DATA=" + data, "GLASSINE_AWS=" + aws}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	began := time.Now()
	err := cmd.Run()
	r := typed{out: out.String(), err: errOut.String(), took: time.Since(began)}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	t.Logf("glassine %s: %d, %s", strings.Join(args, " "), r.code, r.took.Round(time.Millisecond))
	return r
}

// wants fails the test unless the command ended so and said all of it.
func (r typed) wants(t *testing.T, code int, says ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("status %d, want %d\n%s\n%s", r.code, code, r.out, r.err)
	}
	for _, text := range says {
		if !strings.Contains(r.out, text) && !strings.Contains(r.err, text) {
			t.Errorf("it does not say %q:\n%s\n%s", text, r.out, r.err)
		}
	}
}

// unpack writes the files of an archive into a folder.
func unpack(t *testing.T, archive []byte, dir string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, r); err != nil {
		t.Fatal(err)
	}
}

// edit replaces text in a file.
func edit(t *testing.T, file string, oldNew ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.NewReplacer(oldNew...).Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The whole architecture from a folder with a template and two functions, with glassine's own command line.
func TestDeployCommand(t *testing.T) {
	u := newStackUser(t)
	dir := filepath.Join(t.TempDir(), "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("../examples/stack.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "stack.yaml")
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	unpack(t, nodeArchive(t, "resize.mjs", "@aws-sdk/client-s3", "axios", "sharp"), filepath.Join(dir, "transform"))
	unpack(t, packed(t, map[string]string{"lambda_function.py": "node/functions/lambda_function.py", "edge_signer.py": "../examples/cdk/signer/edge_signer.py"}, nil, nil), filepath.Join(dir, "signer"))

	u.glassine(t, dir, "deploy", "--dry-run").wants(t, 0, "images: 11 changes", "+ Bucket  AWS::S3::Bucket", "TransformRole (Role)")
	u.glassine(t, dir, "stacks").wants(t, 0, "There is no stack")
	u.glassine(t, dir, "deploy").wants(t, 0, "images: created", "TransformRole (Role)", "BucketName  images-bucket-")
	again := u.glassine(t, dir, "deploy")
	again.wants(t, 0, "images: no changes")
	if again.took > 5*time.Second { // the goal is 0.5 s, on a machine that has nothing else to do
		t.Errorf("that nothing changed was found in %s", again.took)
	}
	bucket := strings.TrimSpace(u.glassine(t, dir, "outputs", "images", "BucketName").out)
	domain := strings.Trim(strings.TrimPrefix(u.glassine(t, dir, "outputs", "images", "Url").out, "https:"), "/\n")
	if a := u.signed(t, u.root(t), "s3", http.MethodPut, "https://"+bucket+".s3.us-east-1.amazonaws.com/a.jpg", sample.JPEG, nil); a.StatusCode != http.StatusOK {
		t.Fatalf("put: %s %s", a.Status, a.body)
	}
	u.looksAt(domain)

	edit(t, file, "DefaultTTL: 86400", "DefaultTTL: 60")
	u.glassine(t, dir, "diff").wants(t, 0, "images: 1 change", "~ CachePolicy", "Resources/CachePolicy/Properties/CachePolicyConfig/DefaultTTL", "- 86400", "+ 60")
	u.glassine(t, dir, "deploy").wants(t, 0, "images: updated", "UPDATE_COMPLETE")
	edit(t, file, "Name: images-ap\n", "Name: images-other-ap\n", "accesspoint/images-ap/", "accesspoint/images-other-ap/")
	u.glassine(t, dir, "diff").wants(t, 0, "~ AccessPoint  AWS::S3::AccessPoint  is replaced", "forces the replacement")
	edit(t, file, "DefaultTTL: 60", "DefaultTTL: 60000000000")
	u.glassine(t, dir, "deploy").wants(t, 1, "UPDATE_ROLLBACK_COMPLETE", "why: CachePolicy", "try: glassine events images")
	u.looksAtAgain(domain)

	u.glassine(t, dir, "export", "images").wants(t, 0, "SupportingAccessPoint: !GetAtt AccessPoint.Arn", `Code: {"S3Bucket": "cdk-hnb659fds-assets-`)
	events := u.glassine(t, dir, "events", "images", "-o", "json")
	first := struct{ LogicalResourceId, ResourceStatus string }{}
	if err := json.Unmarshal([]byte(strings.SplitN(events.out, "\n", 2)[0]), &first); err != nil || first.LogicalResourceId != "images" {
		t.Errorf("the first event is %+v, %v", first, err)
	}

	u.glassine(t, dir, "destroy", "images").wants(t, 1, "DELETE_FAILED", "try: glassine destroy images --empty-buckets")
	gone := u.glassine(t, dir, "destroy", "images", "--empty-buckets", "--logs")
	gone.wants(t, 0, "images: deleted", "removed  AWS::S3::Bucket", "nothing that was removed is listed any more by cloudfront:ListCachePolicies, cloudfront:ListDistributions, iam:ListRoles, "+
		"lambda:ListFunctions, lambda:ListVersionsByFunction, s3:ListAccessPoints, s3:ListAccessPointsForObjectLambda, s3:ListAllMyBuckets")
	u.leavesTheBootstrap()
	if groups, err := u.Logs.DescribeLogGroups(t.Context(), u.IAM.Root(), "us-east-1", "/aws/lambda/images-", ""); err != nil || len(groups) != 0 {
		t.Errorf("log groups left: %v, %v", groups, err)
	}
}

// leavesTheBootstrap wants everything to be gone but what a region has for deploys.
func (u *stackUser) leavesTheBootstrap() {
	u.t.Helper()
	ctx, root := u.t.Context(), u.IAM.Root()
	const bootstrap = "cdk-hnb659fds-"
	buckets, err := u.S3.Buckets(ctx, root)
	if err != nil || len(buckets) != 1 || !strings.HasPrefix(buckets[0].Name, bootstrap) {
		u.t.Errorf("buckets left: %v, %v", buckets, err)
	}
	roles, err := u.IAM.ListRoles(ctx, root, "")
	for _, r := range roles {
		if !strings.HasPrefix(r.Name, bootstrap) {
			u.t.Errorf("role left: %s", r.Name)
		}
	}
	points, err2 := u.S3.AccessPoints(ctx, root, "")
	lambdaPoints, err3 := u.ObjectLambda.List(ctx, root)
	functions, err4 := u.Lambda.ListFunctions(ctx, root, "us-east-1")
	distributions, err5 := u.Edge.ListDistributions(ctx, root)
	if err := errors.Join(err, err2, err3, err4, err5); err != nil || len(points)+len(lambdaPoints)+len(functions)+len(distributions) != 0 {
		u.t.Errorf("left: %v %v %v %v, %v", points, lambdaPoints, functions, distributions, err)
	}
}

// looksAtAgain wants the picture to be there still.
func (u *stackUser) looksAtAgain(domain string) {
	u.t.Helper()
	req := request(u.t, http.MethodGet, u.url("/a.jpg"), nil)
	req.Host = domain
	if a := do(u.t, u.viewer, req); a.StatusCode != http.StatusOK {
		u.t.Errorf("after an update that went back: %s %.300q", a.Status, a.body)
	}
}

func TestValidateCommand(t *testing.T) {
	s := start(t, func(c *glassine.Config) { c.Demo = false })
	dir := t.TempDir()
	for _, tt := range []struct {
		name, template string
		code           int
		says           []string
	}{
		{"what is right", "Resources: {B: {Type: AWS::S3::Bucket}}", 0, []string{"valid"}},
		{"a type that is misspelt", "Resources: {B: {Type: AWS::S3::Bukket}}", 1, []string{"AWS::S3::Bukket", "did you mean AWS::S3::Bucket?", "line 1"}},
		{"a property that is misspelt", "Resources:\n  B:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketNam: x\n", 1, []string{"did you mean BucketName?", "line 5, column"}},
		{"code that is not there", "Resources: {F: {Type: AWS::Lambda::Function, Properties: {Code: ./none, Role: x}}}", 1, []string{"Code of F", "no such file"}},
		{"no template", "A: 1", 1, []string{"no Resources"}},
	} {
		file := filepath.Join(dir, "stack.yaml")
		if err := os.WriteFile(file, []byte(tt.template), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Run(tt.name, func(t *testing.T) { s.glassine(t, dir, "validate").wants(t, tt.code, tt.says...) })
	}
	s.glassine(t, dir, "stacks", "-o", "json").wants(t, 0, "[]")
	s.glassine(t, dir, "destroy").wants(t, 2, "--all")
	s.glassine(t, dir, "deploy", "nowhere").wants(t, 2, "nowhere")
	s.glassine(t, dir, "deploy", "--none-such").wants(t, 2)
	s.glassine(t, dir, "import", "--bucket", "x").wants(t, 2, "--endpoint")
	s.glassine(t, dir, "events", "none").wants(t, 1, "there is no such stack")
}

// A cdk.out is deployed without the CDK's command line, which only synthesizes it here.
func TestDeployCDKOut(t *testing.T) {
	t.Parallel()
	u := newCDKUser(t)
	u.cdk("synth", "--quiet")
	first := u.glassine(t, u.dir, "deploy", "cdk.out", "-o", "json")
	first.wants(t, 0)
	var doc struct {
		Stacks []struct {
			StackName, Result string
			Seconds           float64
			Outputs           []struct{ OutputKey, OutputValue string }
		}
	}
	if err := json.Unmarshal([]byte(first.out), &doc); err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, s := range doc.Stacks {
		t.Logf("%s %s in %.3f s", s.StackName, s.Result, s.Seconds)
		if s.Result != "created" {
			t.Errorf("%s is %s", s.StackName, s.Result)
		}
		for _, o := range s.Outputs {
			outputs[o.OutputKey] = o.OutputValue
		}
	}
	if len(doc.Stacks) != 3 || first.took > 30*time.Second { // the goal is 3 s
		t.Errorf("%d stacks in %s", len(doc.Stacks), first.took)
	}
	again := u.glassine(t, u.dir, "deploy") // a folder of an app is found by its cdk.out
	again.wants(t, 0)
	if n := strings.Count(again.out, "no changes"); n != 3 || again.took > 5*time.Second { // the goal is 0.5 s
		t.Errorf("%d stacks are unchanged, found in %s", n, again.took)
	}
	if out := u.cdk("diff"); !strings.Contains(out, "Number of stacks with differences: 0") {
		t.Errorf("the CDK sees a difference:\n%s", out)
	}
	a := u.signed(t, u.root(t), "s3", http.MethodPut, "https://"+outputs["BucketName"]+".s3.us-east-1.amazonaws.com/a.jpg", sample.JPEG, nil)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("put: %s %s", a.Status, a.body)
	}
	req := request(t, http.MethodGet, u.url("/a.jpg"), nil)
	req.Host = outputs["DomainName"]
	if a := do(t, u.viewer, req); a.StatusCode != http.StatusOK || !bytes.HasPrefix(a.body, []byte{0xff, 0xd8}) {
		t.Errorf("picture: %s %.300q", a.Status, a.body)
	}
	gone := u.glassine(t, u.dir, "destroy", "--all")
	gone.wants(t, 0, "ssm:DescribeParameters")
	if n := strings.Count(gone.out, ": deleted in "); n != 3 {
		t.Errorf("%d stacks are deleted:\n%s", n, gone.out)
	}
}

// What glassine init writes is deployed as it is, and serves pictures without metadata.
func TestInitCommand(t *testing.T) {
	s := start(t, func(c *glassine.Config) { c.Demo = false })
	dir := t.TempDir()
	s.glassine(t, dir, "init", "--name", "album").wants(t, 0, "Next: glassine deploy stack.yaml")
	s.glassine(t, dir, "init").wants(t, 1, "--force")
	s.glassine(t, dir, "init", "--name", "No Name").wants(t, 2)
	s.glassine(t, dir, "deploy", "--stack", "album").wants(t, 0, "album: created")
	bucket := strings.TrimSpace(s.glassine(t, dir, "outputs", "album", "BucketName").out)
	s.servesClean(t, bucket, "album.localhost", s.viewer, s.url)
	s.glassine(t, dir, "destroy", "--all", "--empty-buckets").wants(t, 0, "album: deleted", "1 object")
}

// servesClean puts the sample into a bucket and looks at it through the edge.
func (s *system) servesClean(t *testing.T, bucket, host string, viewer *http.Client, url func(string) string) {
	t.Helper()
	if a := s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucket+".s3.us-east-1.amazonaws.com/a.jpg", sample.JPEG, nil); a.StatusCode != http.StatusOK {
		t.Fatalf("put: %s %s", a.Status, a.body)
	}
	req := request(t, http.MethodGet, url("/a.jpg"), nil)
	req.Host = host
	a := do(t, viewer, req)
	if a.StatusCode != http.StatusOK || !bytes.HasPrefix(a.body, []byte{0xff, 0xd8}) {
		t.Fatalf("picture: %s %.300q", a.Status, a.body)
	}
	if left := tags(t, writeTemp(t, "left.jpg", a.body)); left["GPS:GPSLatitude"] != nil || left["IFD0:Make"] != nil {
		t.Errorf("metadata left: %v", left)
	}
}

// A template of another account comes here, without what is not here.
func TestImportTemplate(t *testing.T) {
	s := start(t, func(c *glassine.Config) { c.Demo = false })
	dir := t.TempDir()
	exported, err := json.Marshal(map[string]any{"StagesAvailable": []string{"Original"}, "TemplateBody": map[string]any{"Resources": map[string]any{
		"Bucket":      map[string]any{"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": map[string]any{"BucketName": "photos-999988887777"}},
		"Certificate": map[string]any{"Type": "AWS::CertificateManager::Certificate", "Properties": map[string]any{"DomainName": "example.com"}},
		"Role": map[string]any{"Type": "AWS::IAM::Role", "DependsOn": []string{"Boundary", "Certificate"}, "Properties": map[string]any{
			"PermissionsBoundary":      "arn:aws:iam::999988887777:policy/boundary",
			"AssumeRolePolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Principal": map[string]any{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}},
		}},
		"Boundary": map[string]any{"Type": "AWS::IAM::ManagedPolicy", "Properties": map[string]any{"ManagedPolicyName": "boundary", "PolicyDocument": map[string]any{
			"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}},
		}}},
		"Image": map[string]any{"Type": "AWS::Lambda::Function", "Properties": map[string]any{
			"Code": map[string]any{"S3Bucket": "their-code", "S3Key": "image.zip"}, "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": map[string]any{"Fn::GetAtt": []string{"Role", "Arn"}},
		}},
	}, "Outputs": map[string]any{"Certificate": map[string]any{"Value": map[string]any{"Ref": "Certificate"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "images.json")
	if err := os.WriteFile(file, exported, 0o644); err != nil {
		t.Fatal(err)
	}
	s.glassine(t, dir, "import", file).wants(t, 1, "--code Image=")
	s.glassine(t, dir, "import", file, "--code", "Image=glassine://image", "--write", "here.json").wants(t, 0, "images: created",
		"rewritten  Resources/Role/Properties/PermissionsBoundary", "left out   Resources/Certificate: AWS::CertificateManager::Certificate", "left out   Outputs/Certificate",
		"kept       Resources/Bucket/DeletionPolicy: Retain", "kept       Resources/Bucket/Properties/BucketName: the name photos-123456789012")
	s.glassine(t, dir, "deploy", "here.json", "--stack", "images").wants(t, 0, "no changes")
	s.glassine(t, dir, "destroy", "images").wants(t, 0, "kept     AWS::S3::Bucket  Bucket  photos-123456789012")
}

// One command puts a glassine in front of a bucket of another S3 service, which is another glassine here.
func TestImportBucket(t *testing.T) {
	there := start(t, func(c *glassine.Config) { c.Demo = false })
	if a := there.signed(t, there.root(t), "s3", http.MethodPut, "https://originals.s3.us-east-1.amazonaws.com/", nil, nil); a.StatusCode != http.StatusOK {
		t.Fatalf("bucket: %s %s", a.Status, a.body)
	}
	dir, data := t.TempDir(), t.TempDir()
	var at [4]string
	for i := range at { // of ports that are free now
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at[i] = l.Addr().String()
		l.Close()
	}
	root := there.root(t)
	args := []string{"import", "--bucket", "originals", "--endpoint", "http://" + there.Addresses().AWS, "--as", "album", "--data", data, "--aws", at[0], "--https", at[1], "--http", at[2], "--admin", at[3], "--access-log", "off"}
	cmd := exec.Command(glassineCommand(t), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GLASSINE_REMOTE_ACCESS_KEY_ID="+root.AccessKeyID, "GLASSINE_REMOTE_SECRET_ACCESS_KEY="+root.SecretAccessKey)
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	said := func() string {
		t.Helper()
		text, err := os.ReadFile(output.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ended with %v:\n%s", err, said())
		}
	})
	for late := time.After(time.Minute); !strings.Contains(said(), "album: created"); {
		select {
		case <-late:
			t.Fatalf("it did not deploy:\n%s", said())
		case <-time.After(20 * time.Millisecond): // another process
		}
	}
	here := &http.Client{Transport: there.viewer.Transport.(*http.Transport).Clone()}
	pem, err := os.ReadFile(filepath.Join(data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	here.Transport.(*http.Transport).TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	there.servesClean(t, "originals", "album.localhost", here, func(path string) string {
		_, port, _ := net.SplitHostPort(at[1])
		return "https://localhost:" + port + path
	})
	if !strings.Contains(said(), "glassine serve --remote") || !strings.Contains(said(), "https://album.localhost:") {
		t.Errorf("it says\n%s", said())
	}
}
