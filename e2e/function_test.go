package e2e

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"glassine"
	"glassine/lambda"
	"glassine/lambda/runner"
	"glassine/transform"
)

// The test program is also the function in another process: with functionEndpoint set it serves the image function as a
// webhook. It knows the AWS endpoint's address and certificate, and of each event what the request carries.
const functionEndpoint, functionCA = "GLASSINE_E2E_ENDPOINT", "GLASSINE_E2E_CA"

func TestMain(m *testing.M) {
	if glassine.Main() {
		return
	}
	if endpoint := os.Getenv(functionEndpoint); endpoint != "" {
		fmt.Fprintln(os.Stderr, serveFunction(endpoint, os.Getenv(functionCA)))
		os.Exit(1)
	}
	code := m.Run()
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir) // what is left there harms nobody
	}
	os.Exit(code)
}

// serveFunction prints its URL and serves until its parent closes its standard input.
func serveFunction(endpoint, caFile string) error {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	image := &transform.Function{Transport: awsTransport(roots, endpoint)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/\n", l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		raw, err := base64.StdEncoding.DecodeString(r.Header.Get(runner.CredentialsHeader))
		var c map[string]string
		if err != nil || json.Unmarshal(raw, &c) != nil {
			http.Error(w, "no credentials", http.StatusBadRequest)
			return
		}
		result, err := image.Handle(r.Context(), event, transform.Credentials{
			AccessKeyID: c["AWS_ACCESS_KEY_ID"], SecretAccessKey: c["AWS_SECRET_ACCESS_KEY"], SessionToken: c["AWS_SESSION_TOKEN"], Region: c["AWS_REGION"],
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(result)
	}))
}

// eachFunction runs the test with the image function in this process, and in another.
func eachFunction(t *testing.T, test func(t *testing.T, s *system)) {
	t.Run("function in this process", func(t *testing.T) { test(t, start(t)) })
	t.Run("function in another process", func(t *testing.T) {
		s := start(t)
		s.useFunction(t, s.functionProcess(t))
		test(t, s)
	})
}

// useFunction makes a webhook the code of the demo's image function.
func (s *system) useFunction(t *testing.T, url string) {
	t.Helper()
	if _, _, err := s.Lambda.UpdateFunctionCode(t.Context(), s.IAM.Root(), "glassine-image", lambda.CodeChange{Code: lambda.Code{URI: url}}); err != nil {
		t.Fatal(err)
	}
}

// functionProcess starts the function in a process of its own and returns its URL.
func (s *system) functionProcess(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), functionEndpoint+"="+s.Addresses().AWS, functionCA+"="+s.CAFile())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("function process: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("function process said nothing: %v", err)
	}
	return strings.TrimSpace(line)
}
