package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// Identities as the AWS CLI makes them decide what S3 lets them do: a user with a key, a role that it assumes, a session
// policy that shrinks it, and a change that acts at once.
func TestAWSCLIIdentities(t *testing.T) {
	t.Parallel()
	s := start(t)
	root := s.environment(t)
	as := func(key, secret, token string) []string {
		return slices.Concat(root, []string{"AWS_ACCESS_KEY_ID=" + key, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_SESSION_TOKEN=" + token})
	}
	aws := func(env []string, out any, args ...string) {
		t.Helper()
		text, errOut, err := command(t, env, "aws", args...)
		if err != nil {
			t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, errOut)
		}
		if out != nil {
			if err := json.Unmarshal([]byte(text), out); err != nil {
				t.Fatalf("aws %s: %v: %s", strings.Join(args, " "), err, text)
			}
		}
	}
	refused := func(env []string, code string, args ...string) {
		t.Helper()
		if _, errOut, err := command(t, env, "aws", args...); err == nil || !strings.Contains(errOut, code) {
			t.Errorf("aws %s: %v %q, want %s", strings.Join(args, " "), err, errOut, code)
		}
	}
	var me struct{ Arn, Account string }
	aws(root, &me, "sts", "get-caller-identity")
	if me.Arn != "arn:aws:iam::"+account+":root" || me.Account != account {
		t.Errorf("get-caller-identity = %+v", me)
	}

	aws(root, nil, "iam", "create-user", "--user-name", "ann")
	var made struct {
		AccessKey struct{ AccessKeyId, SecretAccessKey string }
	}
	aws(root, &made, "iam", "create-access-key", "--user-name", "ann")
	ann := as(made.AccessKey.AccessKeyId, made.AccessKey.SecretAccessKey, "")
	refused(ann, "AccessDenied", "s3api", "get-object", "--bucket", bucket, "--key", "sample.jpg", "x")
	refused(ann, "AccessDenied", "iam", "create-user", "--user-name", "eve")

	aws(root, nil, "iam", "create-role", "--role-name", "readers", "--assume-role-policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+account+`:user/ann"},"Action":"sts:AssumeRole"}]}`)
	aws(root, nil, "iam", "put-role-policy", "--role-name", "readers", "--policy-name", "read", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::`+bucket+`","arn:aws:s3:::`+bucket+`/*"]}]}`)
	var session struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	aws(ann, &session, "sts", "assume-role", "--role-arn", "arn:aws:iam::"+account+":role/readers", "--role-session-name", "s1")
	c := session.Credentials
	reader := as(c.AccessKeyId, c.SecretAccessKey, c.SessionToken)
	aws(reader, nil, "s3api", "get-object", "--bucket", bucket, "--key", "sample.jpg", "x")
	refused(reader, "AccessDenied", "s3api", "delete-object", "--bucket", bucket, "--key", "sample.jpg")
	refused(as(c.AccessKeyId, c.SecretAccessKey, flip(c.SessionToken, 20)), "InvalidToken", "s3api", "get-object", "--bucket", bucket, "--key", "sample.jpg", "x")

	aws(ann, &session, "sts", "assume-role", "--role-arn", "arn:aws:iam::"+account+":role/readers", "--role-session-name", "s2",
		"--policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`)
	c = session.Credentials
	shrunk := as(c.AccessKeyId, c.SecretAccessKey, c.SessionToken)
	aws(shrunk, nil, "s3api", "list-objects-v2", "--bucket", bucket)
	refused(shrunk, "AccessDenied", "s3api", "get-object", "--bucket", bucket, "--key", "sample.jpg", "x")

	aws(root, nil, "iam", "delete-role-policy", "--role-name", "readers", "--policy-name", "read")
	refused(reader, "AccessDenied", "s3api", "get-object", "--bucket", bucket, "--key", "sample.jpg", "x")
}
