package glassine_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"glassine"
	"glassine/transform/sample"
)

// The whole system in a test of your own: a private bucket, the image function behind its Object Lambda access point, and the edge.
// AWS's SDK puts a photograph that says where it was taken into the bucket; the edge serves the same picture without that.
//
// Where the test's TestMain is, it calls glassine.Main first and returns if that says so: functions and pictures run in
// processes that are this program again. Many tests can share one System: see System.Reset.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	data, err := os.MkdirTemp("", "glassine-") // in a test: t.TempDir()
	check(err)
	defer os.RemoveAll(data)

	// Port 0 takes ports that are free. Demo makes a bucket, access points, roles, functions and a distribution.
	system, err := glassine.New(ctx, glassine.Config{
		Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Demo: true, Log: slog.New(slog.DiscardHandler),
	})
	check(err)
	served := make(chan error)
	go func() { served <- system.Serve(ctx) }()

	// Any client of AWS: the endpoint, and the key that was made for the root user.
	root := system.NewRoot
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + system.Addresses().AWS),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}, nil
		}),
	})
	bucket := glassine.DemoBucket("123456789012")
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("lake.jpg"), Body: bytes.NewReader(sample.JPEG)})
	check(err)

	// A viewer, who trusts the certificate that the system made for itself.
	pem, err := os.ReadFile(system.CAFile())
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	viewer := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	_, port, err := net.SplitHostPort(system.Addresses().HTTPS)
	check(err)
	for range 2 {
		resp, err := viewer.Get("https://localhost:" + port + "/lake.jpg")
		check(err)
		picture, err := io.ReadAll(resp.Body)
		check(err)
		check(resp.Body.Close())
		fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("X-Cache"))
		fmt.Println("names its camera:", bytes.Contains(picture, []byte("Glassine Optical")))
	}
	fmt.Println("the original does:", bytes.Contains(sample.JPEG, []byte("Glassine Optical")))

	viewer.CloseIdleConnections()
	stop()
	check(<-served)
	// Output:
	// 200 image/jpeg Miss from cloudfront
	// names its camera: false
	// 200 image/jpeg Hit from cloudfront
	// names its camera: false
	// the original does: true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
