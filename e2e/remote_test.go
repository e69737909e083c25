package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"glassine"
	"glassine/store"
	"glassine/store/remote"
	"glassine/store/storetest"
)

// The remote store over services that others wrote, and over a second glassine.

// service is an S3 service for remote stores.
type service struct {
	cfg    remote.Config
	client *s3.Client // makes buckets
}

// secondGlassine starts another glassine, which is reached over TLS.
func secondGlassine(t *testing.T) (service, *system) {
	t.Helper()
	second := start(t, func(cfg *glassine.Config) { cfg.Demo = false })
	root := second.root(t)
	return newService(t, remote.Config{
		Endpoint: "https://" + second.Addresses().AWS, Roots: second.roots(t),
		Credentials: remote.Static{ID: root.AccessKeyID, Secret: root.SecretAccessKey},
	}), second
}

func newService(t *testing.T, cfg remote.Config) service {
	t.Helper()
	key, err := cfg.Credentials.Key()
	if err != nil {
		t.Fatal(err)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	if cfg.Roots != nil {
		tr.TLSClientConfig.RootCAs = cfg.Roots
	}
	t.Cleanup(tr.CloseIdleConnections)
	return service{cfg, s3.New(s3.Options{
		BaseEndpoint: &cfg.Endpoint, UsePathStyle: true, Region: "us-east-1", HTTPClient: &http.Client{Transport: tr},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, nil
		}),
	})}
}

// builtGateway names versitygw's program to the processes that a test starts of itself.
const builtGateway = "GLASSINE_TEST_VERSITYGW"

// versitygw builds and starts the gateway of e2e/versitygw over directories of its own.
func versitygw(t *testing.T) service {
	t.Helper()
	dir := t.TempDir()
	program := os.Getenv(builtGateway)
	if program == "" {
		program = filepath.Join(dir, "versitygw")
		build := exec.CommandContext(t.Context(), "go", "build", "-C", "versitygw", "-o", program, "github.com/versity/versitygw/cmd/versitygw")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build versitygw: %v: %s", err, out)
		}
		t.Setenv(builtGateway, program)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for _, name := range []string{"objects", "versions"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	key := remote.Static{ID: "gatewaykey", Secret: "gatewaysecret"}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--port", address, "--keep-alive", "--quiet",
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "objects"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+key.ID, "ROOT_SECRET_KEY="+key.Secret)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() }) // it was killed
	for range 200 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return newService(t, remote.Config{Endpoint: "http://" + address, Credentials: key})
		}
		time.Sleep(50 * time.Millisecond) // another program: nothing tells when it listens
	}
	t.Fatal("versitygw does not listen")
	return service{}
}

var stores sync.Map // counts the stores, so that their buckets differ

// open returns an empty store at the service. Each bucket that is named gets one there.
func (v service) open(t *testing.T) store.Store {
	t.Helper()
	n := 0
	stores.Range(func(any, any) bool { n++; return true })
	stores.Store(n, true)
	var mu sync.Mutex
	made := map[string]string{}
	cfg := v.cfg
	cfg.ManageVersioning = true
	cfg.Bucket = func(name string) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		if made[name] == "" {
			bucket := fmt.Sprintf("store-%d-%x", n, sha256.Sum256([]byte(name)))[:40]
			if _, err := v.client.CreateBucket(context.WithoutCancel(t.Context()), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
				t.Errorf("CreateBucket: %v", err)
			}
			made[name] = bucket
		}
		return made[name], true
	}
	s, err := remote.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRemoteStoreOverASecondGlassine(t *testing.T) {
	t.Parallel() // beside those that mostly wait
	v, _ := secondGlassine(t)
	storetest.RunRelayed(t, v.open, storetest.Service{})
}

func TestRemoteStoreOverVersitygw(t *testing.T) {
	storetest.RunRelayed(t, versitygw(t).open, storetest.Service{
		Plain: true, NoParts: true, // its objects are files, and a finished upload one file
		Fails: map[string]string{
			"a page of a listing is what its options say":             "it keeps c// as c/, and lists bytes that are no UTF-8 as U+FFFD",
			"listings agree with a naive model":                       "sometimes, because it says that a page that ends with the last prefix is not the last",
			"pages of versions and uploads agree with a naive model":  "it lists versions in the order of files, not of keys",
			"readers see whole objects while writers overwrite":       "sometimes, because it opens an object and its ETag one after the other",
			"what a deletion does depends on the bucket's versioning": "a deletion where nothing is leaves no marker",
			"versions agree with a naive model":                       "a deletion where nothing is leaves no marker",
			"conditions look at the current object alone":             "a marker is an object to its conditions, and HEAD does not tell of it",
			"a copy stands on its own":                                "a copy onto itself makes no version",
			"a copy of a version, or of nothing":                      "where versions are suspended it copies no version by its id",
			"completion obeys conditions and versioning":              "it completes an upload again though a newer version is there",
		},
	})
}
