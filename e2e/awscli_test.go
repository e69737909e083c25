package e2e

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"glassine/transform/sample"
)

// scratch is a folder for what tests share. It goes at the end: see TestMain.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "glassine-e2e-*") })

// program builds the command once for all tests that run it.
var program = sync.OnceValues(func() (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "glassine")
	cmd := exec.Command("go", "build", "-o", exe, "glassine/cmd/glassine")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make has it
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: "go build: " + string(out), Err: err}
	}
	return exe, nil
})

func glassineCommand(t *testing.T) string {
	t.Helper()
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// environment is what a shell has after eval "$(glassine env)".
func (s *system) environment(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `eval "$("$0" env --data "$1" --aws "$2")" && env`, glassineCommand(t), s.data, s.Addresses().AWS).Output()
	if err != nil {
		t.Fatal(err)
	}
	return append(strings.Split(strings.TrimSpace(string(out)), "\n"), "HOME="+t.TempDir(), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true")
}

// Debian's aws-cli knows no endpoint variable: it reaches the endpoint through the proxy variables of glassine env, under
// AWS's own names, over TLS with our certificate.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	s := start(t)
	env := s.environment(t)
	aws := func(t *testing.T, args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "aws", args...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		return out
	}
	photo := writeTemp(t, "mine.jpg", sample.JPEG)
	fetched := func(t *testing.T, bucket, key string) []byte {
		t.Helper()
		file := filepath.Join(t.TempDir(), "out")
		aws(t, "s3api", "get-object", "--bucket", bucket, "--key", key, file)
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}

	aws(t, "s3", "cp", photo, "s3://"+bucket+"/holiday/my photo.jpg")
	if out := aws(t, "s3", "ls", "s3://"+bucket+"/holiday/"); !strings.Contains(out, "my photo.jpg") {
		t.Errorf("s3 ls = %q, want the photo in it", out)
	}
	if out := aws(t, "s3", "ls"); !strings.Contains(out, bucket) {
		t.Errorf("s3 ls = %q, want the bucket in it", out)
	}
	if out := aws(t, "--region", "eu-nowhere-7", "s3", "ls", "s3://"+bucket+"/"); !strings.Contains(out, "sample.jpg") {
		t.Errorf("s3 ls from a region of another name = %q", out)
	}
	aws(t, "s3api", "put-object", "--bucket", bucket, "--key", "put.jpg", "--body", photo, "--content-type", "image/jpeg", "--metadata", "album=summer")
	var head struct {
		ContentLength int
		ContentType   string
		Metadata      map[string]string
	}
	if err := json.Unmarshal([]byte(aws(t, "s3api", "head-object", "--bucket", bucket, "--key", "put.jpg")), &head); err != nil {
		t.Fatal(err)
	}
	if head.ContentLength != len(sample.JPEG) || head.ContentType != "image/jpeg" || head.Metadata["album"] != "summer" {
		t.Errorf("head-object = %+v", head)
	}
	var list struct {
		Contents []struct{ Key string }
	}
	if err := json.Unmarshal([]byte(aws(t, "s3api", "list-objects-v2", "--bucket", bucket, "--page-size", "1")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Contents) != 3 || list.Contents[0].Key != "holiday/my photo.jpg" || list.Contents[2].Key != "sample.jpg" {
		t.Errorf("list-objects-v2 over three pages = %+v", list.Contents)
	}

	if got := fetched(t, bucket, "put.jpg"); !bytes.Equal(got, sample.JPEG) {
		t.Errorf("the bucket gives %d bytes, want the original's %d", len(got), len(sample.JPEG))
	}
	if got := fetched(t, pointARN, "put.jpg"); !bytes.Equal(got, sample.JPEG) {
		t.Errorf("the access point gives %d bytes, want the original's %d", len(got), len(sample.JPEG))
	}
	clean := fetched(t, lambdaARN, "put.jpg")
	if !bytes.Equal(pixels(t, clean), pixels(t, sample.JPEG)) || bytes.Contains(clean, []byte("Glassine Optical")) {
		t.Errorf("the Object Lambda access point gives %d bytes that are not the clean picture", len(clean))
	}

	aws(t, "s3", "rm", "s3://"+bucket+"/put.jpg")
	if _, errOut, err := command(t, env, "aws", "s3api", "head-object", "--bucket", bucket, "--key", "put.jpg"); err == nil || !strings.Contains(errOut, "404") {
		t.Errorf("head-object of a removed key: %v %q, want 404", err, errOut)
	}
	if _, errOut, err := command(t, env, "aws", "--no-sign-request", "s3api", "get-object", "--bucket", bucket, "--key", "sample.jpg", "x"); err == nil || !strings.Contains(errOut, "AccessDenied") {
		t.Errorf("an unsigned get-object: %v %q, want AccessDenied", err, errOut)
	}
}

// The control plane of CloudFront as a client sees it: create, get, disable, delete; and glassine purge over the same API.
func TestAWSCLICloudFront(t *testing.T) {
	t.Parallel()
	s := start(t)
	env := s.environment(t)
	aws := func(t *testing.T, out any, args ...string) {
		t.Helper()
		text, errOut, err := command(t, env, "aws", append([]string{"cloudfront"}, args...)...)
		if err != nil {
			t.Fatalf("aws cloudfront %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		if out != nil {
			if err := json.Unmarshal([]byte(text), out); err != nil {
				t.Fatalf("aws cloudfront %s: %v: %s", strings.Join(args, " "), err, text)
			}
		}
	}
	var policy struct {
		ETag        string
		CachePolicy struct{ Id string }
	}
	aws(t, &policy, "create-cache-policy", "--cache-policy-config", `{"Name":"by-width","MinTTL":0,"DefaultTTL":60,"MaxTTL":600,
		"ParametersInCacheKeyAndForwardedToOrigin":{"EnableAcceptEncodingGzip":false,"EnableAcceptEncodingBrotli":false,
		"HeadersConfig":{"HeaderBehavior":"none"},"CookiesConfig":{"CookieBehavior":"none"},
		"QueryStringsConfig":{"QueryStringBehavior":"whitelist","QueryStrings":{"Quantity":2,"Items":["width","showExif"]}}}}`)
	config := `{"CallerReference":"e2e","Comment":"made by the CLI","Enabled":true,"Aliases":{"Quantity":1,"Items":["photos.example.com"]},
		"Origins":{"Quantity":1,"Items":[{"Id":"olap","DomainName":"` + lambdaHost + `","CustomOriginConfig":{"HTTPPort":80,"HTTPSPort":443,"OriginProtocolPolicy":"https-only","OriginSslProtocols":{"Quantity":1,"Items":["TLSv1.2"]}}}]},
		"DefaultCacheBehavior":{"TargetOriginId":"olap","ViewerProtocolPolicy":"allow-all","CachePolicyId":"` + policy.CachePolicy.Id + `",
		"LambdaFunctionAssociations":{"Quantity":1,"Items":[{"LambdaFunctionARN":"arn:aws:lambda:us-east-1:` + account + `:function:glassine-signer:1","EventType":"origin-request","IncludeBody":false}]}}}`
	var made struct {
		ETag         string
		Distribution struct {
			Id, Status         string
			DistributionConfig map[string]any
		}
	}
	aws(t, &made, "create-distribution", "--distribution-config", config)
	id := made.Distribution.Id
	aws(t, nil, "wait", "distribution-deployed", "--id", id)

	_, port, _ := net.SplitHostPort(s.Addresses().HTTP)
	ask := func() answer {
		req := request(t, http.MethodGet, "http://localhost:"+port+"/sample.jpg", nil)
		req.Host = "photos.example.com"
		return do(t, s.viewer, req)
	}
	if a := ask(); a.StatusCode != 200 || a.Header.Get("X-Cache") != "Miss from cloudfront" {
		t.Fatalf("through the new distribution: %s, X-Cache %q: %.200s", a.Status, a.Header.Get("X-Cache"), a.body)
	}
	if a := ask(); a.Header.Get("X-Cache") != "Hit from cloudfront" {
		t.Errorf("again: X-Cache %q, want a hit", a.Header.Get("X-Cache"))
	}
	if out, err := exec.Command(glassineCommand(t), "purge", "--data", s.data, "--aws", s.Addresses().AWS, "/sample.jpg").CombinedOutput(); err != nil || strings.Count(string(out), "purged") != 2 {
		t.Errorf("glassine purge = %s (%v), want both distributions purged", out, err)
	}
	if a := ask(); a.Header.Get("X-Cache") != "Miss from cloudfront" {
		t.Errorf("after the purge: X-Cache %q, want a miss", a.Header.Get("X-Cache"))
	}

	if _, errOut, err := command(t, env, "aws", "cloudfront", "delete-distribution", "--id", id, "--if-match", made.ETag); err == nil || !strings.Contains(errOut, "DistributionNotDisabled") {
		t.Errorf("delete while enabled: %v %q, want DistributionNotDisabled", err, errOut)
	}
	if _, errOut, err := command(t, env, "aws", "cloudfront", "delete-cache-policy", "--id", policy.CachePolicy.Id, "--if-match", policy.ETag); err == nil || !strings.Contains(errOut, "CachePolicyInUse") {
		t.Errorf("delete a policy in use: %v %q, want CachePolicyInUse", err, errOut)
	}
	var got struct {
		ETag               string
		DistributionConfig map[string]any
	}
	aws(t, &got, "get-distribution-config", "--id", id)
	got.DistributionConfig["Enabled"] = false
	off, err := json.Marshal(got.DistributionConfig)
	if err != nil {
		t.Fatal(err)
	}
	var updated struct{ ETag string }
	aws(t, &updated, "update-distribution", "--id", id, "--if-match", got.ETag, "--distribution-config", string(off))
	aws(t, nil, "delete-distribution", "--id", id, "--if-match", updated.ETag)
	aws(t, nil, "delete-cache-policy", "--id", policy.CachePolicy.Id, "--if-match", policy.ETag)
	if a := ask(); a.StatusCode != http.StatusForbidden {
		t.Errorf("after the distribution is gone: %s, want 403", a.Status)
	}
}

// One port answers TLS and plaintext, and is a forward proxy to AWS's names and nothing else.
func TestAWSEndpointIsAProxyForAWSNamesOnly(t *testing.T) {
	s := start(t)
	proxy := &url.URL{Scheme: "http", Host: s.Addresses().AWS}
	through := s.aws.Transport.(*http.Transport).Clone()
	through.DialContext, through.Proxy = nil, http.ProxyURL(proxy)
	client := &http.Client{Transport: through}
	for _, c := range []struct{ name, url string }{
		{"CONNECT to AWS's name", "https://" + bucketHost + "/sample.jpg"},
		{"absolute form with AWS's name", "http://" + bucketHost + "/sample.jpg"},
		{"absolute form with a label before our address", "http://" + bucket + "." + s.Addresses().AWS + "/sample.jpg"},
		{"absolute form with the name for proxies", "http://" + bucket + ".glassine.test/sample.jpg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := request(t, http.MethodGet, c.url, nil)
			sign(req, s.root(t), "s3", nil)
			if a := do(t, client, req); a.StatusCode != 200 || !bytes.Equal(a.body, sample.JPEG) {
				t.Errorf("%s = %s: %.200s", c.url, a.Status, a.body)
			}
		})
	}
	if a := do(t, client, request(t, http.MethodGet, "http://example.com/", nil)); a.StatusCode != http.StatusForbidden {
		t.Errorf("absolute form with a foreign name = %s, want 403", a.Status)
	}
	if resp, err := client.Do(request(t, http.MethodGet, "https://example.com/", nil)); err == nil {
		resp.Body.Close()
		t.Errorf("CONNECT to a foreign name = %s, want a refusal", resp.Status)
	}
	plain := do(t, http.DefaultClient, request(t, http.MethodGet, "http://"+s.Addresses().AWS+"/", nil))
	tls := do(t, s.aws, request(t, http.MethodGet, "https://s3.us-east-1.amazonaws.com/", nil))
	if plain.StatusCode != 403 || tls.StatusCode != 403 {
		t.Errorf("plaintext %s, TLS %s, want both answered with 403", plain.Status, tls.Status)
	}
}
