package stsapi_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"glassine/aws/awscli"
	"glassine/aws/stsapi"
	"glassine/iam"
)

// cli runs aws-cli against an STS endpoint.
type cli struct {
	t        *testing.T
	endpoint string
	home     string
}

func newCLI(t *testing.T, s *iam.Service) cli {
	t.Helper()
	server := httptest.NewServer(&stsapi.Handler{IAM: s})
	t.Cleanup(server.Close)
	return cli{t, server.URL, t.TempDir()}
}

// run runs "aws sts args..." with the key. It returns what aws-cli complained of, "" on success, when out is filled.
func (c cli) run(key iam.Credentials, out any, args ...string) (complaint string) {
	c.t.Helper()
	cmd := awscli.Command(c.t.Context(), append([]string{"--endpoint-url", c.endpoint, "--output", "json", "sts"}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_REGION=eu-west-1",
		"AWS_MAX_ATTEMPTS=1", "AWS_ACCESS_KEY_ID=" + key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + key.SecretAccessKey,
	}
	if key.SessionToken != "" {
		cmd.Env = append(cmd.Env, "AWS_SESSION_TOKEN="+key.SessionToken)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return err.Error() + ": " + strings.TrimSpace(stderr.String())
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		c.t.Fatalf("aws sts %s: %v: %s", strings.Join(args, " "), err, &stdout)
	}
	return ""
}

type credentials struct {
	Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
}

func (c credentials) key() iam.Credentials {
	return iam.Credentials{AccessKeyID: c.Credentials.AccessKeyId, SecretAccessKey: c.Credentials.SecretAccessKey, SessionToken: c.Credentials.SessionToken}
}

type identity struct{ UserId, Account, Arn string }

func TestAWSCLI(t *testing.T) {
	s, bob := newService(t)
	c := newCLI(t, s)

	var who identity
	if complaint := c.run(bob, &who, "get-caller-identity"); complaint != "" || who.Arn != "arn:aws:iam::"+account+":user/bob" || who.Account != account {
		t.Errorf("get-caller-identity = %+v %s", who, complaint)
	}
	var assumed struct {
		credentials
		AssumedRoleUser  struct{ AssumedRoleId, Arn string }
		PackedPolicySize int
	}
	if complaint := c.run(bob, &assumed, "assume-role", "--role-arn", "arn:aws:iam::"+account+":role/worker", "--role-session-name", "one", "--external-id", "contract-7",
		"--policy", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:GetAccessKeyInfo","Resource":"*"}}`, "--tags", "Key=team,Value=photos"); complaint != "" {
		t.Fatal(complaint)
	}
	if assumed.AssumedRoleUser.Arn != "arn:aws:sts::"+account+":assumed-role/worker/one" || assumed.PackedPolicySize < 1 {
		t.Errorf("assume-role = %+v, %d %%", assumed.AssumedRoleUser, assumed.PackedPolicySize)
	}
	if complaint := c.run(assumed.key(), &who, "get-caller-identity"); complaint != "" || who.Arn != assumed.AssumedRoleUser.Arn || who.UserId != assumed.AssumedRoleUser.AssumedRoleId {
		t.Errorf("get-caller-identity of the session = %+v %s", who, complaint)
	}
	// The role may ask for everything; the session's policy leaves one action.
	var info struct{ Account string }
	if complaint := c.run(assumed.key(), &info, "get-access-key-info", "--access-key-id", bob.AccessKeyID); complaint != "" || info.Account != account {
		t.Errorf("get-access-key-info = %+v %s", info, complaint)
	}
	if complaint := c.run(assumed.key(), &assumed, "assume-role", "--role-arn", "arn:aws:iam::"+account+":role/worker", "--role-session-name", "two", "--external-id", "contract-7"); !strings.Contains(complaint, "(AccessDenied)") {
		t.Errorf("assume-role outside the session policy: %q, want AccessDenied", complaint)
	}
	if complaint := c.run(bob, &assumed, "assume-role", "--role-arn", "arn:aws:iam::"+account+":role/worker", "--role-session-name", "one"); !strings.Contains(complaint, "(AccessDenied)") {
		t.Errorf("assume-role without the external id: %q, want AccessDenied", complaint)
	}
	var session credentials
	if complaint := c.run(bob, &session, "get-session-token", "--duration-seconds", "900"); complaint != "" {
		t.Fatal(complaint)
	}
	if complaint := c.run(session.key(), &who, "get-caller-identity"); complaint != "" || who.Arn != "arn:aws:iam::"+account+":user/bob" {
		t.Errorf("get-caller-identity with a session token = %+v %s", who, complaint)
	}
}
