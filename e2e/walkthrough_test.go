package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"glassine"
	"glassine/aws/awscli"
	"glassine/transform/sample"
)

// The reference set-up as a page of aws-cli commands, run as it is: it makes everything, asks for a picture through the
// distribution, and takes everything away.
func TestWalkthrough(t *testing.T) {
	for _, cli := range awsCLIs(t) {
		t.Run(strings.ReplaceAll(cli, "/", "_"), func(t *testing.T) {
			t.Parallel()
			walk(t, cli)
		})
	}
}

// awsCLIs are Debian's, and with GLASSINE_EVERY_AWS the first other one that PATH has: the current one, where a machine has it. The
// eighty commands of a walk are two minutes of a processor, which CI has for one.
func awsCLIs(t *testing.T) []string {
	t.Helper()
	all := []string{tool(t, "aws")}
	if os.Getenv("GLASSINE_EVERY_AWS") == "" {
		return all
	}
	debian, err := filepath.EvalSymlinks(all[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(dir, "aws"))
		if err != nil {
			continue
		}
		if file, err := filepath.EvalSymlinks(path); err == nil && file != debian {
			return append(all, path)
		}
	}
	return all
}

func walk(t *testing.T, cli string) {
	t.Helper()
	s := start(t, func(c *glassine.Config) { c.Demo, c.Region = false, "us-west-2" })
	before := s.kept(t)
	home := t.TempDir()
	_, httpsPort, _ := net.SplitHostPort(s.Addresses().HTTPS)
	_, httpPort, _ := net.SplitHostPort(s.Addresses().HTTP)
	// The distribution's name resolves nowhere: this is what a hosts file would do.
	curl := fmt.Sprintf("connect-to = \":443:127.0.0.1:%s\"\nconnect-to = \":80:127.0.0.1:%s\"\ncacert = %q\nnoproxy = \"*\"\n", httpsPort, httpPort, s.CAFile())
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(curl), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", "../examples/walkthrough.sh")
	cmd.Env = append(s.environment(t), "HOME="+home, "PATH="+bin+":"+os.Getenv("PATH"), "AWS_REGION=us-west-2",
		"AWS_ENDPOINT_URL=http://"+s.Addresses().AWS, "IMAGE="+writeTemp(t, "TestImage.jpg", sample.JPEG),
		"TRANSFORM_ZIP="+writeTemp(t, "transform.zip", nodeArchive(t, "resize.mjs", "@aws-sdk/client-s3", "axios", "sharp")),
		"SIGNER_ZIP="+writeTemp(t, "signer.zip", packed(t, map[string]string{"lambda_function.py": "node/functions/lambda_function.py", "edge_signer.py": "../examples/cdk/signer/edge_signer.py"}, nil, nil)))
	link := func(dir string, _ []string) error { return os.Symlink(cli, filepath.Join(dir, "aws")) }
	if cli == tool(t, "aws") {
		link = awscli.Shim
	}
	if err := link(bin, cmd.Env); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, last(out, 4000))
	}
	for _, want := range []string{"Miss from cloudfront", "Hit from cloudfront", `{"exif":true}`, "301 https://", "REPORT RequestId"} {
		if !strings.Contains(strings.ToLower(string(out)), strings.ToLower(want)) {
			t.Errorf("the output has no %q", want)
		}
	}
	// Code that nobody refers to any more goes a while later, or at the next start.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, func(c *glassine.Config) { c.Data, c.Demo = s.data, false })
	s.leaves(t, before, "file cache/", "file sandboxes/runtime/", "record iam/tokenkeys ")
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
