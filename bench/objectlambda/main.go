// Command objectlambda measures what Object Lambda adds to a GET: the same object of 100 KiB through an Object Lambda access
// point whose function, inside the process, passes it on, and straight from the bucket. On the way through lie the
// decision, the function's invocation, its signed fetch of the presigned URL and its signed WriteGetObjectResponse.
//
//	go run ./bench/objectlambda [-rounds 5] [-n 2000] [-gib]
//
// Client and server are one process and speak HTTP/1.1 over loopback, one request after the other. In every round both are
// measured in turn, the order changing from round to round; printed are the medians of the rounds' p50 and p99. With -gib
// the throughput of one object of 1 GiB follows, both ways.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"glassine"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda"
	"glassine/lambda/runner"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/store"
)

func main() {
	if glassine.Main() {
		return
	}
	rounds := flag.Int("rounds", 5, "rounds, of which the median counts")
	n := flag.Int("n", 2000, "requests of one measurement")
	gib := flag.Bool("gib", false, "measure the throughput of 1 GiB too")
	flag.Parse()
	if err := run(context.Background(), *rounds, *n, *gib); err != nil {
		fmt.Fprintln(os.Stderr, "bench/objectlambda:", err)
		os.Exit(1)
	}
}

const (
	account = "123456789012"
	size    = 100 << 10
)

// rig is a system with an object, and the two ways to it.
type rig struct {
	sys    *glassine.System
	client *http.Client
	keys   sigv4.Credentials
	ways   [2]way
}

type way struct{ name, path string }

func run(ctx context.Context, rounds, n int, gib bool) error {
	dir, err := os.MkdirTemp("", "glassine-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(ctx)
	r, ended, err := start(ctx, dir)
	if err != nil {
		stop()
		return err
	}
	defer func() {
		stop()
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "bench/objectlambda:", err)
		}
	}()
	if _, err := r.measure(ctx, r.ways[0], "object", n/10); err != nil { // warm up
		return err
	}
	var p50, p99 [2][]time.Duration
	for round := range rounds {
		for i := range r.ways {
			i := (i + round) % 2
			took, err := r.measure(ctx, r.ways[i], "object", n)
			if err != nil {
				return err
			}
			slices.Sort(took)
			p50[i], p99[i] = append(p50[i], took[len(took)/2]), append(p99[i], took[len(took)*99/100])
		}
	}
	fmt.Printf("GET of 100 KiB, %d rounds of %d requests, one connection, %d CPUs, %s\n", rounds, n, runtime.NumCPU(), runtime.Version())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tp50\tp99")
	for i, way := range r.ways {
		fmt.Fprintf(w, "%s\t%s\t%s\n", way.name, median(p50[i]), median(p99[i]))
	}
	fmt.Fprintf(w, "added\t%s\t%s\n", median(p50[1])-median(p50[0]), median(p99[1])-median(p99[0]))
	if err := w.Flush(); err != nil || !gib {
		return err
	}
	return r.throughput(ctx)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(time.Microsecond)
}

// start makes the system, as a program that embeds it does.
func start(ctx context.Context, dir string) (*rig, <-chan error, error) {
	var sys *glassine.System
	sys, err := glassine.New(ctx, glassine.Config{
		Data: dir, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Functions: map[string]runner.Func{"glassine://identity": func(ctx context.Context, inv runner.Invocation) ([]byte, error) {
			return nil, identity(ctx, sys.Transport(), inv)
		}},
	})
	if err != nil {
		return nil, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- sys.Serve(ctx) }()
	r := &rig{sys: sys, client: &http.Client{}}
	key, err := glassine.RootCredentials(dir)
	if err != nil {
		return nil, nil, err
	}
	r.keys = sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
	alias, err := r.deploy(ctx)
	r.ways = [2]way{{"bucket", "/photos/"}, {"Object Lambda", "/" + alias + "/"}}
	return r, ended, err
}

// deploy makes the bucket with its object, the function and the access points.
func (r *rig) deploy(ctx context.Context) (alias string, err error) {
	s, root := r.sys, r.sys.IAM.Root()
	if _, err := s.S3.CreateBucket(ctx, root, "photos", ""); err != nil {
		return "", err
	}
	if _, err := s.S3.PutObject(ctx, root, s3.Target{Bucket: "photos"}, "object", bytes.NewReader(make([]byte, size)), store.PutOptions{}); err != nil {
		return "", err
	}
	ap, err := s.S3.CreateAccessPoint(ctx, root, s3.NewAccessPoint{Name: "photos-ap", Bucket: "photos", Block: s3.BlockAll})
	if err != nil {
		return "", err
	}
	role, err := s.IAM.CreateRole(ctx, root, iam.NewRole{Name: "identity", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
	if err != nil {
		return "", err
	}
	if err := s.IAM.PutRolePolicy(ctx, root, role.Name, "p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3-object-lambda:WriteGetObjectResponse","Resource":"*"}]}`); err != nil {
		return "", err
	}
	f, err := s.Lambda.CreateFunction(ctx, root, lambda.NewFunction{Name: "identity", Code: lambda.Code{URI: "glassine://identity"}, Role: role.ARN, Timeout: time.Minute})
	if err != nil {
		return "", err
	}
	p, err := s.ObjectLambda.Create(ctx, root, "photos", objectlambda.Configuration{
		SupportingAccessPoint: ap.ARN(), Transformations: []objectlambda.Transformation{{Actions: []string{objectlambda.GetObject}, Function: f.ARN}},
	})
	return p.Alias, err
}

// identity passes the original on.
func identity(ctx context.Context, aws http.RoundTripper, inv runner.Invocation) error {
	var event struct {
		GetObjectContext struct{ InputS3Url, OutputRoute, OutputToken string }
	}
	if err := json.Unmarshal(inv.Payload, &event); err != nil {
		return err
	}
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, event.GetObjectContext.InputS3Url, nil)
	if err != nil {
		return err
	}
	original, err := aws.RoundTrip(get)
	if err != nil {
		return err
	}
	defer original.Body.Close()
	write, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+event.GetObjectContext.OutputRoute+".s3-object-lambda."+inv.Region+".amazonaws.com/WriteGetObjectResponse", original.Body)
	if err != nil {
		return err
	}
	write.ContentLength = original.ContentLength
	write.Header.Set("X-Amz-Request-Route", event.GetObjectContext.OutputRoute)
	write.Header.Set("X-Amz-Request-Token", event.GetObjectContext.OutputToken)
	write.Header.Set("X-Amz-Fwd-Status", strconv.Itoa(original.StatusCode))
	sigv4.Sign(write, inv.Credentials, inv.Region, "s3-object-lambda", sigv4.UnsignedPayload, time.Now())
	answer, err := aws.RoundTrip(write)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("WriteGetObjectResponse: %s", answer.Status)
	}
	return nil
}

// measure asks for an object n times and returns how long each took, up to its last byte.
func (r *rig) measure(ctx context.Context, w way, key string, n int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for range n {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.sys.Addresses().AWS+w.path+key, nil)
		if err != nil {
			return nil, err
		}
		sigv4.Sign(req, r.keys, "us-east-1", "s3", "", time.Now())
		began := time.Now()
		resp, err := r.client.Do(req)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("GET from %s: %s, %w", w.name, resp.Status, err)
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

// throughput stores 1 GiB and reads it both ways.
func (r *rig) throughput(ctx context.Context) error {
	const gib = 1 << 30
	if _, err := r.sys.S3.PutObject(ctx, r.sys.IAM.Root(), s3.Target{Bucket: "photos"}, "large", io.LimitReader(zeros{}, gib), store.PutOptions{}); err != nil {
		return err
	}
	for _, w := range r.ways {
		took, err := r.measure(ctx, w, "large", 1)
		if err != nil {
			return err
		}
		fmt.Printf("1 GiB, %s: %.0f MB/s\n", w.name, gib/1e6/took[0].Seconds())
	}
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
