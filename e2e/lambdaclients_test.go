package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"glassine/objectlambda"
)

// An Object Lambda access point with the clients that people use, by ARN, by host name and by alias.

// transformed makes a point whose GET is the original, whose HEAD says twice its length, and whose listings show .jpg for
// .png; and objects to look at. It returns the alias.
func (s *system) transformed(t *testing.T) (point, string) {
	t.Helper()
	s.put(t, "dir/a%20b.txt", []byte("a text"))
	s.put(t, "album/one.png", nil)
	p := point{name: "view", code: s.functionWebhook(t, "identity.mjs"), features: []string{"GetObject-Range"}}.create(t, s)
	head := point{name: "view-head", code: s.functionWebhook(t, "head.mjs")}.create(t, s)
	list := point{name: "view-list", code: s.functionWebhook(t, "listing.mjs")}.create(t, s)
	ctx, root := t.Context(), s.IAM.Root()
	cfg, err := s.ObjectLambda.GetConfiguration(ctx, root, p.name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Transformations = append(cfg.Transformations,
		objectlambda.Transformation{Actions: []string{objectlambda.HeadObject}, Function: head.name},
		objectlambda.Transformation{Actions: []string{objectlambda.ListObjects, objectlambda.ListObjectsV2}, Function: list.name})
	if err := s.ObjectLambda.PutConfiguration(ctx, root, p.name, cfg); err != nil {
		t.Fatal(err)
	}
	made, err := s.ObjectLambda.Get(ctx, root, p.name)
	if err != nil {
		t.Fatal(err)
	}
	return p, made.Alias
}

func TestObjectLambdaWithTheJavaScriptSDK(t *testing.T) {
	t.Parallel()
	s := start(t)
	p, alias := s.transformed(t)
	key := s.root(t)
	env := append(without(os.Environ(), "AWS_ENDPOINT_URL"), "NODE_EXTRA_CA_CERTS="+s.CAFile(), "AWS_ACCESS_KEY_ID="+key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+key.SecretAccessKey, "AWS_SESSION_TOKEN=")
	script, err := filepath.Abs("node/objectlambda.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for name, bucket := range map[string]string{"by ARN": p.arn(), "by alias": alias} {
		t.Run(name, func(t *testing.T) {
			out, errOut, err := command(t, env, "node", script, s.Addresses().AWS, bucket)
			if err != nil || out != "done\n" {
				t.Errorf("%v %q: %s", err, out, errOut)
			}
		})
	}
}

func TestObjectLambdaWithTheGoSDK(t *testing.T) {
	t.Parallel()
	s := start(t)
	p, alias := s.transformed(t)
	key := s.root(t)
	anywhere := &http.Client{Transport: awsTransport(s.roots(t), s.Addresses().AWS)}
	for _, c := range []struct{ name, bucket, endpoint string }{
		{"by ARN, at AWS's name", p.arn(), ""},
		{"by ARN, at an endpoint", p.arn(), "http://localhost:4566"},
		{"by alias, at AWS's name", alias, ""},
		{"by alias, at an endpoint", alias, "http://localhost:4566"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			client := s3.New(s3.Options{Region: "us-east-1", HTTPClient: anywhere, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, nil
			})}, func(o *s3.Options) {
				if c.endpoint != "" {
					o.BaseEndpoint = &c.endpoint
				}
			})
			bucket, name := aws.String(c.bucket), aws.String("dir/a b.txt")
			got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: name})
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(got.Body)
			if err != nil || string(body) != "a text" {
				t.Errorf("GetObject = %q, %v", body, err)
			}
			got, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: name, Range: aws.String("bytes=2-5")})
			if err != nil || aws.ToString(got.ContentRange) != "bytes 2-5/6" {
				t.Errorf("GetObject of a range = %+v, %v", got, err)
			}
			head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: name})
			if err != nil || *head.ContentLength != 12 {
				t.Errorf("HeadObject = %+v, %v", head, err)
			}
			v1, err := client.ListObjects(ctx, &s3.ListObjectsInput{Bucket: bucket, Prefix: aws.String("album/")})
			if err != nil || len(v1.Contents) != 1 || *v1.Contents[0].Key != "album/one.jpg" {
				t.Errorf("ListObjects = %+v, %v", v1, err)
			}
			v2, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("album/")})
			if err != nil || len(v2.Contents) != 1 || *v2.Contents[0].Key != "album/one.jpg" || *v2.KeyCount != 1 {
				t.Errorf("ListObjectsV2 = %+v, %v", v2, err)
			}
			if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("go"), Body: strings.NewReader("put")}); err != nil {
				t.Errorf("PutObject = %v", err)
			}
			_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: name, PartNumber: aws.Int32(1)})
			if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "NotImplemented" {
				t.Errorf("GetObject of a part = %v, want NotImplemented", err)
			}
			signed, err := s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: name}, s3.WithPresignExpires(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if a := do(t, anywhere, request(t, signed.Method, signed.URL, nil)); a.StatusCode != 200 || string(a.body) != "a text" {
				t.Errorf("presigned GET = %s %q", a.Status, a.body)
			}
		})
	}
}

func TestObjectLambdaWithBoto3(t *testing.T) {
	t.Parallel()
	s := start(t)
	p, alias := s.transformed(t)
	const script = `
import sys, urllib.request, boto3
from botocore.config import Config
from botocore.exceptions import ClientError
s3 = boto3.client('s3', config=Config(signature_version='s3v4'))
for b in sys.argv[1:]:
    k = 'dir/a b.txt'
    assert s3.get_object(Bucket=b, Key=k)['Body'].read() == b'a text'
    assert s3.get_object(Bucket=b, Key=k, Range='bytes=2-5')['Body'].read() == b'text'
    assert s3.head_object(Bucket=b, Key=k)['ContentLength'] == 12
    assert [o['Key'] for o in s3.list_objects(Bucket=b, Prefix='album/')['Contents']] == ['album/one.jpg']
    assert [o['Key'] for o in s3.list_objects_v2(Bucket=b, Prefix='album/')['Contents']] == ['album/one.jpg']
    url = s3.generate_presigned_url('get_object', Params={'Bucket': b, 'Key': k}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b'a text'
    s3.put_object(Bucket=b, Key='boto', Body=b'put')
    assert s3.get_object(Bucket=b, Key='boto')['Body'].read() == b'put'
    try:
        s3.get_object(Bucket=b, Key=k, PartNumber=1)
        raise SystemExit('a part without the feature')
    except ClientError as e:
        assert e.response['Error']['Code'] == 'NotImplemented' and e.response['ResponseMetadata']['HTTPStatusCode'] == 501, e.response
# Without the setting boto3 presigns with version 2 for this ARN, which AWS refuses.
try:
    urllib.request.urlopen(boto3.client('s3').generate_presigned_url('get_object', Params={'Bucket': sys.argv[1], 'Key': 'x'}))
    raise SystemExit('a signature of version 2')
except urllib.error.HTTPError as e:
    assert e.code == 403 and b'MissingAuthenticationToken' in e.read()
print('done')
`
	env := append(s.environment(t), "SSL_CERT_FILE="+s.CAFile())
	out, errOut, err := command(t, env, "/usr/bin/python3", writeTemp(t, "client.py", []byte(script)), p.arn(), alias)
	if err != nil || out != "done\n" {
		t.Errorf("boto3: %v %q: %s", err, out, errOut)
	}
}

func TestObjectLambdaWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	s := start(t)
	p, alias := s.transformed(t)
	// Version 1 of the CLI presigns with version 2 of the signature unless it is told otherwise.
	env := append(s.environment(t), "AWS_CONFIG_FILE="+writeTemp(t, "config", []byte("[default]\ns3 =\n    signature_version = s3v4\n")))
	run := func(args ...string) string {
		t.Helper()
		out, errOut, err := command(t, env, "aws", args...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		return out
	}
	for _, bucket := range []string{p.arn(), alias} {
		file := filepath.Join(t.TempDir(), "out")
		run("s3api", "get-object", "--bucket", bucket, "--key", "dir/a b.txt", file)
		sameFile(t, file, []byte("a text"))
		run("s3api", "get-object", "--bucket", bucket, "--key", "dir/a b.txt", "--range", "bytes=2-5", file)
		sameFile(t, file, []byte("text"))
		var head struct{ ContentLength int }
		if err := json.Unmarshal([]byte(run("s3api", "head-object", "--bucket", bucket, "--key", "dir/a b.txt")), &head); err != nil || head.ContentLength != 12 {
			t.Errorf("head-object of %s = %+v, %v", bucket, head, err)
		}
		for _, list := range []string{"list-objects", "list-objects-v2"} {
			if out := run("s3api", list, "--bucket", bucket, "--prefix", "album/"); !strings.Contains(out, `"album/one.jpg"`) {
				t.Errorf("%s of %s = %s", list, bucket, out)
			}
		}
	}
	// The high-level commands take the alias alone.
	if out := run("s3", "ls", "s3://"+alias+"/album/"); !strings.Contains(out, "one.jpg") {
		t.Errorf("s3 ls = %s", out)
	}
	local := writeTemp(t, "up", []byte("up"))
	run("s3", "cp", "--only-show-errors", local, "s3://"+alias+"/cli/up")
	if a := do(t, s.aws, request(t, "GET", strings.TrimSpace(run("s3", "presign", "s3://"+alias+"/cli/up", "--expires-in", "60")), nil)); a.StatusCode != 200 || string(a.body) != "up" {
		t.Errorf("presigned URL = %s %q", a.Status, a.body)
	}
	run("s3", "rm", "--only-show-errors", "s3://"+alias+"/cli/up")
}
