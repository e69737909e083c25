package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"glassine/aws/fault"
)

// staging is a bucket in which what is deployed is put under its hash, so that what is there need not be sent again. It is for
// one goroutine.
type staging struct {
	*Client
	bucket string
	// note is told what is sent; it may be nil.
	note func(string)
	// dry puts nothing there: names alone are made.
	dry bool

	seen map[string]string // key by path
	open map[string]bool   // nested templates that are being read
}

func newStaging(c *Client, bucket string, note func(string)) *staging {
	return &staging{Client: c, bucket: bucket, note: note, seen: map[string]string{}, open: map[string]bool{}}
}

// StagingBucket is the bucket of CDK's bootstrap in an account and region.
func StagingBucket(account, region string) string {
	return "cdk-hnb659fds-assets-" + account + "-" + region
}

func objectURL(region, bucket, key string) string {
	return "https://" + bucket + ".s3." + region + ".amazonaws.com/" + (&url.URL{Path: key}).EscapedPath()
}

// templateURLOf is the URL of an object in the form that CloudFormation takes for templates.
func templateURLOf(region, bucket, key string) string {
	return "https://s3." + region + ".amazonaws.com/" + bucket + "/" + (&url.URL{Path: key}).EscapedPath()
}

// has reports whether an object is there.
func (s *staging) has(ctx context.Context, bucket, key string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	_, err := s.Send("s3", s.Region, http.MethodHead, objectURL(s.Region, bucket, key), nil, nil)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// put stores an object; the bucket is made when it is not there and is the account's own staging bucket.
func (s *staging) put(ctx context.Context, bucket, key, contentType string, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	send := func() error {
		_, err := s.Send("s3", s.Region, http.MethodPut, objectURL(s.Region, bucket, key), http.Header{"Content-Type": {contentType}}, body)
		return err
	}
	err := send()
	if fault.Is(err, "NoSuchBucket") && bucket == s.bucket {
		if err = s.createBucket(bucket); err == nil {
			err = send()
		}
	}
	if err != nil {
		return fmt.Errorf("put s3://%s/%s: %w", bucket, key, err)
	}
	if s.note != nil {
		s.note(fmt.Sprintf("sent s3://%s/%s (%d bytes)", bucket, key, len(body)))
	}
	return nil
}

func (s *staging) createBucket(bucket string) error {
	var body []byte
	if s.Region != "us-east-1" { // which is no location. S3 API Reference, "CreateBucket"
		body = []byte(`<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>` + s.Region + `</LocationConstraint></CreateBucketConfiguration>`)
	}
	_, err := s.Send("s3", s.Region, http.MethodPut, objectURL(s.Region, bucket, ""), nil, body)
	if fault.Is(err, "BucketAlreadyOwnedByYou") {
		return nil
	}
	return err
}

// ensure puts what make makes under key, unless it is there.
func (s *staging) ensure(ctx context.Context, bucket, key, contentType string, body func() ([]byte, error)) error {
	if s.dry {
		return nil
	}
	there, err := s.has(ctx, bucket, key)
	if err != nil || there {
		return err
	}
	b, err := body()
	if err != nil {
		return err
	}
	return s.put(ctx, bucket, key, contentType, b)
}

// code puts a folder or file of code there, as an archive, and returns its key. A file that is a zip archive goes as it is.
func (s *staging) code(ctx context.Context, resource, path string) (string, error) {
	if key := s.seen[path]; key != "" { // two functions of one folder
		return key, nil
	}
	a, err := readArchive(path)
	if err != nil {
		return "", err
	}
	key := a.hash + ".zip"
	err = s.ensure(ctx, s.bucket, key, "application/zip", func() ([]byte, error) {
		if s.note != nil {
			s.note("archive " + path + " for " + resource)
		}
		if len(a.files) == 1 && a.files[0].path == path {
			body, err := os.ReadFile(path) // at most maxArchive, or its hash would not have been made
			if err != nil || bytes.HasPrefix(body, []byte("PK\x03\x04")) {
				return body, err
			}
		}
		return a.zip()
	})
	if err != nil {
		return "", err
	}
	s.seen[path] = key
	return key, nil
}

// nested puts a nested stack's template there, with what it names itself, and returns its URL.
func (s *staging) nested(ctx context.Context, path string) (string, error) {
	if s.open[path] {
		return "", fmt.Errorf("%s: the template is nested in itself", path)
	}
	s.open[path] = true
	defer delete(s.open, path)
	t, err := ReadTemplate(path)
	if err != nil {
		return "", err
	}
	text, err := t.packaged(ctx, s)
	if err != nil {
		return "", err
	}
	return s.template(ctx, text)
}

// template puts a template's text there and returns its URL.
func (s *staging) template(ctx context.Context, text string) (string, error) {
	sum := sha256.Sum256([]byte(text))
	kind, contentType := ".yaml", "application/yaml"
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		kind, contentType = ".json", "application/json"
	}
	key := hex.EncodeToString(sum[:]) + kind
	err := s.ensure(ctx, s.bucket, key, contentType, func() ([]byte, error) { return []byte(text), nil })
	return templateURLOf(s.Region, s.bucket, key), err
}

// HasObject reports whether an object is there that the caller may read.
func (c *Client) HasObject(ctx context.Context, bucket, key string) (bool, error) {
	return newStaging(c, bucket, nil).has(ctx, bucket, key)
}

// HasBucket reports whether a bucket is there.
func (c *Client) HasBucket(ctx context.Context, bucket string) (bool, error) {
	return c.HasObject(ctx, bucket, "")
}
