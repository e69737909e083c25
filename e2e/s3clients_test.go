package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3's operations with the clients that people use, each as it is found: nothing is set to please the server.

// without is an environment without some variables.
func without(env []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(names, name)
	})
}

// randomFile writes so many random bytes into a file.
func randomFile(t *testing.T, name string, size int) (path string, body []byte) {
	t.Helper()
	body = make([]byte, size)
	rand.Read(body)
	return writeTemp(t, name, body), body
}

func sameFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes that are not the %d that were stored", filepath.Base(path), len(got), len(want))
	}
}

// oddKeys are keys that clients and servers like to spoil: 1,024 bytes are the longest.
var oddKeys = []string{"a//b", "./x", "a/../b", "sp ace+plus%25&=?#", "ünï/日本.txt", "it's (a) *key*!", "trailing/", strings.Repeat("x", 1024)}

// tree makes a few files whose names are hard on clients.
func tree(t *testing.T) (dir string, files map[string]string) {
	t.Helper()
	dir, files = t.TempDir(), map[string]string{}
	for _, name := range []string{"plain.txt", "sp ace.txt", "plus+percent%25.txt", "deep/er/ünï 日本.txt", "q&a=1#2.txt"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		// S3 tells times in whole seconds, and a file that is newer than its object is copied again.
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		files[name] = name
	}
	return dir, files
}

func TestS3WithTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := start(t)
	// Version 1 of the CLI presigns with version 2 of the signature unless it is told otherwise.
	env := append(s.environment(t), "AWS_CONFIG_FILE="+writeTemp(t, "config", []byte("[default]\ns3 =\n    signature_version = s3v4\n")))
	run := func(t *testing.T, args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "aws", args...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		return out
	}
	ask := func(t *testing.T, out any, args ...string) {
		t.Helper()
		text := run(t, append([]string{"s3api"}, args...)...)
		if err := json.Unmarshal([]byte(text), out); err != nil {
			t.Fatalf("aws s3api %s: %v: %s", strings.Join(args, " "), err, text)
		}
	}
	run(t, "s3", "mb", "s3://clients")

	t.Run("64 MiB in parts, copied in parts, and back", func(t *testing.T) {
		path, body := randomFile(t, "large", 64<<20)
		run(t, "s3", "cp", "--only-show-errors", path, "s3://clients/large")
		run(t, "s3", "cp", "--only-show-errors", "s3://clients/large", "s3://clients/large copy")
		var head struct {
			ContentLength int
			ETag          string
		}
		ask(t, &head, "head-object", "--bucket", "clients", "--key", "large copy")
		if head.ContentLength != len(body) || !strings.Contains(head.ETag, "-8") {
			t.Errorf("head-object = %+v, want an ETag of 8 parts", head)
		}
		back := filepath.Join(t.TempDir(), "back")
		run(t, "s3", "cp", "--only-show-errors", "s3://clients/large copy", back)
		sameFile(t, back, body)
		run(t, "s3", "rm", "--only-show-errors", "--recursive", "s3://clients/", "--exclude", "*", "--include", "large*")
	})
	t.Run("odd keys", func(t *testing.T) {
		var ids []string
		for _, key := range oddKeys {
			run(t, "s3api", "put-object", "--bucket", "clients", "--key", key, "--body", writeTemp(t, "x", []byte("odd body")))
			back := filepath.Join(t.TempDir(), "back")
			run(t, "s3api", "get-object", "--bucket", "clients", "--key", key, "--range", "bytes=4-7", back)
			sameFile(t, back, []byte("body"))
			id, err := json.Marshal(map[string]string{"Key": key})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, string(id))
		}
		var list struct{ Contents []struct{ Key string } }
		ask(t, &list, "list-objects-v2", "--bucket", "clients")
		for _, key := range oddKeys {
			if !slices.ContainsFunc(list.Contents, func(o struct{ Key string }) bool { return o.Key == key }) {
				t.Errorf("the list has no %q", key)
			}
		}
		signed := strings.TrimSpace(run(t, "s3", "presign", "s3://clients/a//b"))
		if a := do(t, s.aws, request(t, http.MethodGet, signed, nil)); string(a.body) != "odd body" {
			t.Errorf("presigned: %s %s", a.Status, a.body)
		}
		run(t, "s3api", "delete-objects", "--bucket", "clients", "--delete", `{"Objects":[`+strings.Join(ids, ",")+`],"Quiet":true}`)
	})
	t.Run("a tree, synced both ways", func(t *testing.T) {
		dir, files := tree(t)
		run(t, "s3", "sync", "--only-show-errors", dir, "s3://clients/tree/")
		if again := run(t, "s3", "sync", "--dryrun", dir, "s3://clients/tree/"); again != "" {
			t.Errorf("synced again: %s", again)
		}
		back := t.TempDir()
		run(t, "s3", "sync", "--only-show-errors", "s3://clients/tree/", back)
		for name, body := range files {
			sameFile(t, filepath.Join(back, filepath.FromSlash(name)), []byte(body))
		}
	})
	t.Run("copy-object, tags, delete-objects", func(t *testing.T) {
		run(t, "s3api", "put-object", "--bucket", "clients", "--key", "a b+c", "--body", writeTemp(t, "x", []byte("x")), "--tagging", "k=v%20w")
		run(t, "s3api", "copy-object", "--bucket", "clients", "--key", "copy", "--copy-source", "clients/a b+c", "--metadata-directive", "REPLACE", "--content-type", "text/x")
		var tagging struct{ TagSet []struct{ Key, Value string } }
		ask(t, &tagging, "get-object-tagging", "--bucket", "clients", "--key", "copy")
		if len(tagging.TagSet) != 1 || tagging.TagSet[0].Value != "v w" {
			t.Errorf("the copy's tags = %+v", tagging.TagSet)
		}
		var gone struct{ Deleted, Errors []struct{ Key string } }
		ask(t, &gone, "delete-objects", "--bucket", "clients", "--delete", `{"Objects":[{"Key":"copy"},{"Key":"a b+c"},{"Key":"absent"}]}`)
		if len(gone.Deleted) != 3 || len(gone.Errors) != 0 {
			t.Errorf("delete-objects = %+v", gone)
		}
	})
	t.Run("versions and their deletion", func(t *testing.T) {
		run(t, "s3", "mb", "s3://client-versions")
		run(t, "s3api", "put-bucket-versioning", "--bucket", "client-versions", "--versioning-configuration", "Status=Enabled")
		var first struct{ VersionId string }
		ask(t, &first, "put-object", "--bucket", "client-versions", "--key", "k", "--body", writeTemp(t, "x", []byte("first")))
		run(t, "s3api", "put-object", "--bucket", "client-versions", "--key", "k", "--body", writeTemp(t, "x", []byte("second")))
		run(t, "s3", "rm", "s3://client-versions/k")
		back := filepath.Join(t.TempDir(), "back")
		run(t, "s3api", "get-object", "--bucket", "client-versions", "--key", "k", "--version-id", first.VersionId, back)
		sameFile(t, back, []byte("first"))
		var list struct {
			Versions, DeleteMarkers []struct {
				Key, VersionId string
				IsLatest       bool
			}
		}
		ask(t, &list, "list-object-versions", "--bucket", "client-versions")
		if len(list.Versions) != 2 || len(list.DeleteMarkers) != 1 || !list.DeleteMarkers[0].IsLatest || list.Versions[1].VersionId != first.VersionId {
			t.Errorf("list-object-versions = %+v", list)
		}
		if _, errOut, err := command(t, env, "aws", "s3", "rb", "s3://client-versions"); err == nil || !strings.Contains(errOut, "BucketNotEmpty") {
			t.Errorf("rb of a bucket with versions: %v %s, want BucketNotEmpty", err, errOut)
		}
		for _, v := range append(list.Versions, list.DeleteMarkers...) {
			run(t, "s3api", "delete-object", "--bucket", "client-versions", "--key", v.Key, "--version-id", v.VersionId)
		}
		run(t, "s3", "rb", "s3://client-versions")
	})
	t.Run("configuration", func(t *testing.T) {
		const rules = `{"Rules":[{"ID":"r","Status":"Enabled","Filter":{"Prefix":"tmp/"},"Expiration":{"Days":1},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":1}}]}`
		run(t, "s3api", "put-bucket-lifecycle-configuration", "--bucket", "clients", "--lifecycle-configuration", rules)
		var life struct{ Rules []struct{ ID string } }
		ask(t, &life, "get-bucket-lifecycle-configuration", "--bucket", "clients")
		run(t, "s3api", "put-bucket-cors", "--bucket", "clients", "--cors-configuration", `{"CORSRules":[{"AllowedMethods":["GET"],"AllowedOrigins":["*"]}]}`)
		run(t, "s3api", "put-bucket-tagging", "--bucket", "clients", "--tagging", `TagSet=[{Key=a,Value=b}]`)
		run(t, "s3api", "put-bucket-ownership-controls", "--bucket", "clients", "--ownership-controls", "Rules=[{ObjectOwnership=BucketOwnerEnforced}]")
		var acl struct{ Grants []struct{ Permission string } }
		ask(t, &acl, "get-bucket-acl", "--bucket", "clients")
		if len(life.Rules) != 1 || len(acl.Grants) != 1 || acl.Grants[0].Permission != "FULL_CONTROL" {
			t.Errorf("lifecycle %+v, ACL %+v", life, acl)
		}
		for code, args := range map[string][]string{
			"NoSuchTagSet":                  {"get-bucket-tagging", "--bucket", bucket},
			"NoSuchCORSConfiguration":       {"get-bucket-cors", "--bucket", bucket},
			"NoSuchLifecycleConfiguration":  {"get-bucket-lifecycle-configuration", "--bucket", bucket},
			"NoSuchWebsiteConfiguration":    {"get-bucket-website", "--bucket", bucket},
			"AccessControlListNotSupported": {"put-bucket-acl", "--bucket", bucket, "--acl", "public-read"},
			"NotImplemented":                {"put-bucket-website", "--bucket", bucket, "--website-configuration", `{"IndexDocument":{"Suffix":"i"}}`},
		} {
			if _, errOut, err := command(t, env, "aws", append([]string{"s3api"}, args...)...); err == nil || !strings.Contains(errOut, "("+code+")") {
				t.Errorf("%s: %v %s, want %s", args[0], err, errOut, code)
			}
		}
	})
}

func TestS3WithTheJavaScriptSDK(t *testing.T) {
	t.Parallel()
	s := start(t)
	env := without(s.environment(t), "AWS_ENDPOINT_URL", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
	if _, errOut, err := command(t, s.environment(t), "aws", "s3", "mb", "s3://node-client"); err != nil {
		t.Fatalf("mb: %v %s", err, errOut)
	}
	script, err := filepath.Abs("node/s3client.cjs")
	if err != nil {
		t.Fatal(err)
	}
	out, errOut, err := command(t, env, "node", "--no-warnings", script, "http://"+s.Addresses().AWS, "node-client")
	if err != nil || strings.Join(strings.Fields(out), " ") != "bodies uploads versions presigned many" {
		t.Errorf("node s3client.cjs: %v, after %q: %s", err, out, errOut)
	}
}

// The Go SDK goes to AWS's own names over TLS: buckets are virtual hosts there.
func TestS3WithTheGoSDK(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := s.root(t)
	client := s3.New(s3.Options{
		Region: "us-east-1", HTTPClient: s.aws, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, nil
		}),
	})
	ctx, name := t.Context(), aws.String("go-client")
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name})
	check("CreateBucket", err)
	for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256} {
		k := aws.String("sum/" + string(algorithm))
		_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: k, Body: strings.NewReader("body"), ChecksumAlgorithm: algorithm})
		check("PutObject "+string(algorithm), err)
		got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: k, ChecksumMode: types.ChecksumModeEnabled})
		check("GetObject "+string(algorithm), err)
		body, err := io.ReadAll(got.Body) // ends in an error where the checksum is another
		got.Body.Close()
		if err != nil || string(body) != "body" || got.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: %q, %v, checksum of type %q", algorithm, body, err, got.ChecksumType)
		}
	}

	t.Run("a multipart upload with checksums of its parts", func(t *testing.T) {
		up, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: name, Key: aws.String("large"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
		check("CreateMultipartUpload", err)
		var parts []types.CompletedPart
		for i, size := range []int{32 << 20, 32 << 20} {
			p, err := client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: name, Key: aws.String("large"), UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)),
				Body: bytes.NewReader(make([]byte, size)), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
			})
			check("UploadPart", err)
			parts = append(parts, types.CompletedPart{ETag: p.ETag, PartNumber: aws.Int32(int32(i + 1)), ChecksumSHA256: p.ChecksumSHA256})
		}
		listed, err := client.ListParts(ctx, &s3.ListPartsInput{Bucket: name, Key: aws.String("large"), UploadId: up.UploadId})
		check("ListParts", err)
		done, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: name, Key: aws.String("large"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}, IfNoneMatch: aws.String("*"),
		})
		check("CompleteMultipartUpload", err)
		if len(listed.Parts) != 2 || done.ChecksumType != types.ChecksumTypeComposite || !strings.HasSuffix(aws.ToString(done.ChecksumSHA256), "-2") {
			t.Errorf("%d parts, checksum %s of type %s", len(listed.Parts), aws.ToString(done.ChecksumSHA256), done.ChecksumType)
		}
	})
	t.Run("a copy, on conditions", func(t *testing.T) {
		head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: name, Key: aws.String("large")})
		check("HeadObject", err)
		in := &s3.CopyObjectInput{Bucket: name, Key: aws.String("copy"), CopySource: aws.String("go-client/large"), CopySourceIfMatch: head.ETag}
		_, err = client.CopyObject(ctx, in)
		check("CopyObject", err)
		in.CopySourceIfMatch, in.CopySourceIfNoneMatch = nil, head.ETag
		_, err = client.CopyObject(ctx, in)
		var refused interface{ ErrorCode() string }
		if !errors.As(err, &refused) || refused.ErrorCode() != "PreconditionFailed" {
			t.Errorf("CopyObject if the ETag is another: %v", err)
		}
	})
	t.Run("odd keys", func(t *testing.T) {
		presign := s3.NewPresignClient(client)
		for _, key := range oddKeys {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: &key, Body: strings.NewReader(key)})
			check("PutObject", err)
			got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: &key, Range: aws.String("bytes=1-")})
			check("GetObject of a range", err)
			body, err := io.ReadAll(got.Body)
			got.Body.Close()
			if err != nil || string(body) != key[1:] {
				t.Errorf("%q from its second byte: %q, %v", key, body, err)
			}
			signed, err := presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: &key}, s3.WithPresignExpires(time.Minute))
			check("PresignGetObject", err)
			if a := do(t, s.aws, request(t, http.MethodGet, signed.URL, nil)); string(a.body) != key {
				t.Errorf("presigned %q = %s %q", key, a.Status, a.body)
			}
			_, err = client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: name, Key: aws.String("copied"), CopySource: aws.String("go-client/" + escapeSource(key))})
			check("CopyObject of "+key, err)
		}
		listed, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name})
		check("ListObjectsV2", err)
		for _, key := range oddKeys {
			if !slices.ContainsFunc(listed.Contents, func(o types.Object) bool { return *o.Key == key }) {
				t.Errorf("the list has no %q", key)
			}
		}
	})
	t.Run("a presigned PUT and DELETE", func(t *testing.T) {
		presign := s3.NewPresignClient(client)
		put, err := presign.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("signed")}, s3.WithPresignExpires(time.Minute))
		check("PresignPutObject", err)
		if a := do(t, s.aws, request(t, http.MethodPut, put.URL, []byte("xyz"))); a.StatusCode != 200 {
			t.Errorf("PUT = %s %s", a.Status, a.body)
		}
		gone, err := presign.PresignDeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: aws.String("signed")})
		check("PresignDeleteObject", err)
		if a := do(t, s.aws, request(t, http.MethodDelete, gone.URL, nil)); a.StatusCode != 204 {
			t.Errorf("DELETE = %s %s", a.Status, a.body)
		}
	})
	t.Run("a thousand keys deleted at once", func(t *testing.T) {
		var ids []types.ObjectIdentifier
		for i := range 1000 {
			ids = append(ids, types.ObjectIdentifier{Key: aws.String(fmt.Sprintf("sum/%d", i))})
		}
		ids[0].Key = aws.String("sum/SHA256")
		out, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: name, Delete: &types.Delete{Objects: ids}})
		check("DeleteObjects", err)
		if len(out.Deleted) != 1000 || len(out.Errors) != 0 {
			t.Errorf("%d deleted, %d errors", len(out.Deleted), len(out.Errors))
		}
	})
	t.Run("through an access point", func(t *testing.T) {
		through := s3.New(s3.Options{Region: "us-east-1", HTTPClient: s.aws, Credentials: client.Options().Credentials})
		_, err := through.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(pointARN), Key: aws.String("a/b"), Body: strings.NewReader("body"), Tagging: aws.String("k=v")})
		check("PutObject", err)
		tags, err := through.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(pointARN), Key: aws.String("a/b")})
		check("GetObjectTagging", err)
		_, err = through.CopyObject(ctx, &s3.CopyObjectInput{Bucket: name, Key: aws.String("from-point"), CopySource: aws.String(pointARN + "/object/a/b")})
		check("CopyObject", err)
		if len(tags.TagSet) != 1 {
			t.Errorf("tags = %v", tags.TagSet)
		}
	})
}

// Debian's boto3, which knows nothing of default checksums.
func TestS3WithBoto3(t *testing.T) {
	t.Parallel()
	s := start(t)
	const script = `
import boto3, io, json, os, sys, urllib.request
from botocore.config import Config
from boto3.s3.transfer import TransferConfig
s3 = boto3.client('s3', endpoint_url=sys.argv[1], config=Config(signature_version='s3v4', s3={'addressing_style': 'path'}))
b = 'boto-client'
s3.create_bucket(Bucket=b)
body = os.urandom(64 << 20)
s3.upload_fileobj(io.BytesIO(body), b, 'large', ExtraArgs={'Metadata': {'album': 'summer'}}, Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=24 << 20))
back = io.BytesIO()
s3.download_fileobj(b, 'large', back)
assert back.getvalue() == body
s3.copy({'Bucket': b, 'Key': 'large'}, b, 'copy', Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=24 << 20))
assert s3.head_object(Bucket=b, Key='copy')['ETag'].endswith('-3"')
odd = json.loads(sys.argv[2])
for k in odd:
    s3.put_object(Bucket=b, Key=k, Body=k.encode())
    assert s3.get_object(Bucket=b, Key=k, Range='bytes=1-3')['Body'].read() == k.encode()[1:4]
    s3.copy_object(Bucket=b, Key='copied', CopySource={'Bucket': b, 'Key': k})
    url = s3.generate_presigned_url('get_object', Params={'Bucket': b, 'Key': k}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == k.encode(), k
assert set(odd) <= {o['Key'] for o in s3.list_objects_v2(Bucket=b)['Contents']}
assert len(s3.delete_objects(Bucket=b, Delete={'Objects': [{'Key': k} for k in odd]})['Deleted']) == len(odd)
keys = ['k/%03d' % i for i in range(25)]
for k in keys:
    s3.put_object(Bucket=b, Key=k, Body=k.encode(), ContentEncoding='gzip')
seen = [o['Key'] for p in s3.get_paginator('list_objects_v2').paginate(Bucket=b, Prefix='k/', PaginationConfig={'PageSize': 7}) for o in p['Contents']]
assert seen == keys, seen
assert s3.get_object(Bucket=b, Key=keys[0])['ContentEncoding'] == 'gzip'
s3.put_object_tagging(Bucket=b, Key=keys[0], Tagging={'TagSet': [{'Key': 'a', 'Value': 'b'}]})
assert s3.get_object(Bucket=b, Key=keys[0])['TagCount'] == 1
post = s3.generate_presigned_post(b, 'form/${filename}', Conditions=[['content-length-range', 0, 100]])
assert post['fields']['key'] == 'form/${filename}'
assert len(s3.delete_objects(Bucket=b, Delete={'Objects': [{'Key': k} for k in keys]})['Deleted']) == 25
up = s3.create_multipart_upload(Bucket=b, Key='left')
assert [u['Key'] for u in s3.list_multipart_uploads(Bucket=b)['Uploads']] == ['left']
s3.abort_multipart_upload(Bucket=b, Key='left', UploadId=up['UploadId'])
try:
    s3.list_parts(Bucket=b, Key='left', UploadId=up['UploadId'])
    raise SystemExit('parts of an aborted upload')
except s3.exceptions.NoSuchUpload:
    pass
print('done')
`
	env := without(s.environment(t), "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "AWS_ENDPOINT_URL")
	odd, err := json.Marshal(oddKeys)
	if err != nil {
		t.Fatal(err)
	}
	out, errOut, err := command(t, env, "/usr/bin/python3", writeTemp(t, "client.py", []byte(script)), "http://"+s.Addresses().AWS, string(odd))
	if err != nil || out != "done\n" {
		t.Errorf("boto3: %v %q: %s", err, out, errOut)
	}
}

func TestS3WithRclone(t *testing.T) {
	t.Parallel()
	s := start(t)
	env := append(without(s.environment(t), "AWS_CA_BUNDLE", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"),
		"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_HERE_TYPE=s3", "RCLONE_CONFIG_HERE_PROVIDER=Other", "RCLONE_CONFIG_HERE_ENV_AUTH=true", "RCLONE_CONFIG_HERE_REGION=us-east-1",
		"RCLONE_CONFIG_HERE_ENDPOINT=http://"+s.Addresses().AWS, "RCLONE_S3_CHUNK_SIZE=16M", "RCLONE_S3_UPLOAD_CUTOFF=5M")
	run := func(args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "rclone", args...)
		if err != nil {
			t.Fatalf("rclone %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		return out + errOut
	}
	dir, _ := tree(t)
	large := make([]byte, 64<<20)
	rand.Read(large)
	if err := os.WriteFile(filepath.Join(dir, "large"), large, 0o600); err != nil {
		t.Fatal(err)
	}
	run("mkdir", "here:rclone-client")
	run("sync", dir, "here:rclone-client/tree")
	if out := run("check", "--download", dir, "here:rclone-client/tree"); !strings.Contains(out, "0 differences found") || !strings.Contains(out, "6 matching files") {
		t.Errorf("check = %s", out)
	}
	run("copyto", "here:rclone-client/tree/large", "here:rclone-client/copy")
	if out := run("cat", "--offset", "4", "--count", "4", "here:rclone-client/tree/plain.txt"); out != "n.tx" {
		t.Errorf("a range = %q", out)
	}
	long := strings.Repeat("x", 1024) // rclone itself cleans "a//b" and its like: they never reach a server
	run("copyto", filepath.Join(dir, "plain.txt"), "here:rclone-client/"+long)
	if out := run("lsf", "here:rclone-client"); !strings.Contains(out, long) {
		t.Errorf("lsf = %.200s", out)
	}
	link := strings.TrimSpace(run("link", "--expire", "60s", "here:rclone-client/tree/deep/er/ünï 日本.txt"))
	if a := do(t, http.DefaultClient, request(t, http.MethodGet, link, nil)); string(a.body) != "deep/er/ünï 日本.txt" {
		t.Errorf("link %s = %s %s", link, a.Status, a.body)
	}
	run("touch", "here:rclone-client/copy") // a copy onto itself with new metadata
	run("purge", "here:rclone-client")
	if out := run("lsd", "here:"); strings.Contains(out, "rclone-client") {
		t.Errorf("after purge: %s", out)
	}
}

func TestS3WithS3cmd(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, host := s.root(t), s.Addresses().AWS
	config := writeTemp(t, "s3cfg", []byte("[default]\naccess_key = "+key.AccessKeyID+"\nsecret_key = "+key.SecretAccessKey+"\nhost_base = "+host+"\nhost_bucket = "+host+"\nuse_https = False\n"))
	env := without(os.Environ(), "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "http_proxy", "https_proxy")
	run := func(args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "s3cmd", append([]string{"-c", config, "--no-progress"}, args...)...)
		if err != nil {
			t.Fatalf("s3cmd %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		return out
	}
	path, body := randomFile(t, "large", 64<<20)
	run("mb", "s3://cmd-client")
	small := writeTemp(t, "small", []byte("odd body"))
	keys := slices.DeleteFunc(slices.Clone(oddKeys), func(key string) bool { return strings.HasSuffix(key, "/") }) // which s3cmd takes for a folder
	for _, key := range keys {
		run("put", small, "s3://cmd-client/"+key)
		part := writeTemp(t, "part", []byte("odd ")) // the rest is a range
		run("get", "--continue", "s3://cmd-client/"+key, part)
		sameFile(t, part, []byte("odd body"))
	}
	listed := run("ls", "-r", "s3://cmd-client")
	for _, key := range keys {
		if !strings.Contains(listed, "s3://cmd-client/"+key+"\n") {
			t.Errorf("ls has no %q: %.500s", key, listed)
		}
	}
	// s3cmd signs URLs with version 2 of the signature, which S3 refuses in every region that is newer than 2014, and we do.
	signed := strings.TrimSpace(run("signurl", "s3://cmd-client/a//b", "+60"))
	if a := do(t, http.DefaultClient, request(t, http.MethodGet, signed, nil)); a.StatusCode != http.StatusBadRequest || !bytes.Contains(a.body, []byte("AWS4-HMAC-SHA256")) {
		t.Errorf("signurl %s = %s %s", signed, a.Status, a.body)
	}
	run("put", "--multipart-chunk-size-mb=16", "--add-header=x-amz-meta-album:summer", path, "s3://cmd-client/large")
	// Without --acl-private s3cmd 2.3 copies the ACL too, which S3 refuses where ACLs are off.
	run("cp", "--acl-private", "s3://cmd-client/large", "s3://cmd-client/co py+1")
	run("mv", "--acl-private", "s3://cmd-client/large", "s3://cmd-client/moved")
	back := filepath.Join(t.TempDir(), "back")
	run("get", "s3://cmd-client/co py+1", back)
	sameFile(t, back, body)
	dir, files := tree(t)
	run("sync", dir+"/", "s3://cmd-client/tree/")
	if got := strings.Count(run("ls", "-r", "s3://cmd-client/tree/"), "\n"); got != len(files) {
		t.Errorf("ls shows %d of %d files", got, len(files))
	}
	run("info", "s3://cmd-client/moved")
	run("del", "--recursive", "--force", "s3://cmd-client/")
	run("rb", "s3://cmd-client")
}

// escapeSource encodes a key as a copy source is to be.
func escapeSource(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(key), "+", "%20"), "%2F", "/")
}
