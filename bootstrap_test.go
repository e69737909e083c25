package glassine

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
)

// cdkClient sends what the CDK's command line sends, in this process.
func cdkClient(s *System, c iam.Credentials) *wire.Client {
	return &wire.Client{
		Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
		HTTP:        &http.Client{Transport: s.Transport()},
	}
}

func assume(c *wire.Client, region, role string) error {
	_, err := c.Send("sts", region, http.MethodPost, "https://sts."+region+".amazonaws.com/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		[]byte("Action=AssumeRole&Version=2011-06-15&RoleSessionName=one&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2F"+role))
	return err
}

// The first request that names something of CDK's bootstrap in a region finds it there: if who sent it may make it.
func TestRegionsAreReadyForCDK(t *testing.T) {
	s, err := New(t.Context(), Config{
		Data: t.TempDir(), AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, root := t.Context(), s.IAM.Root()
	there := func(region string) bool { return s.S3.HasBucket("cdk-hnb659fds-assets-123456789012-" + region) }

	// Somebody who may do nothing, and somebody whose signature is wrong, get nothing made.
	if _, err := s.IAM.CreateUser(ctx, root, iam.NewUser{Name: "small"}); err != nil {
		t.Fatal(err)
	}
	small, _, err := s.IAM.CreateAccessKey(ctx, root, "small")
	if err != nil {
		t.Fatal(err)
	}
	forged := *s.NewRoot
	forged.SecretAccessKey = strings.Repeat("x", len(forged.SecretAccessKey))
	for _, c := range []iam.Credentials{small, forged} {
		if err := assume(cdkClient(s, c), "us-east-1", "cdk-hnb659fds-deploy-role-123456789012-us-east-1"); err == nil {
			t.Error("AssumeRole came through")
		}
		if all, err := s.IAM.ListRoles(ctx, root, ""); err != nil || len(all) != 0 || there("us-east-1") {
			t.Fatalf("roles = %v, %v, want none", all, err)
		}
	}

	admin := cdkClient(s, *s.NewRoot)
	// Root cannot assume roles, on AWS neither: the bucket is there all the same.
	if err := assume(admin, "us-east-1", "cdk-hnb659fds-deploy-role-123456789012-us-east-1"); !fault.Is(err, "AccessDenied") {
		t.Errorf("AssumeRole by root = %v, want AccessDenied", err)
	}
	if !there("us-east-1") || there("eu-west-1") {
		t.Error("us-east-1 was not made ready, or another region was")
	}
	if _, err := admin.Send("s3", "eu-west-1", http.MethodGet, "https://s3.eu-west-1.amazonaws.com/cdk-hnb659fds-assets-123456789012-eu-west-1?location", nil, nil); err != nil {
		t.Errorf("GetBucketLocation = %v", err)
	}
	for _, name := range []string{"cdk-hnb659fds-assets-999999999999-us-west-1", "cdk-hnb659fds-assets-123456789012-nowhere"} {
		if _, err := admin.Send("s3", "us-east-1", http.MethodGet, "https://s3.us-east-1.amazonaws.com/"+name+"?location", nil, nil); !fault.Is(err, "NoSuchBucket") {
			t.Errorf("GetBucketLocation of %s = %v, want NoSuchBucket", name, err)
		}
	}

	// A user who may assume the roles gets what they give, and CloudFormation's own is nobody's.
	if err := s.IAM.PutUserPolicy(ctx, root, "small", "p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`); err != nil {
		t.Fatal(err)
	}
	for role, code := range map[string]string{"deploy": "", "file-publishing": "", "image-publishing": "", "lookup": "", "cfn-exec": "AccessDenied"} {
		if err := assume(cdkClient(s, small), "us-east-1", "cdk-hnb659fds-"+role+"-role-123456789012-us-east-1"); fault.Code(err) != code {
			t.Errorf("AssumeRole of %s = %v, want %q", role, err, code)
		}
	}
	if err := deployAs(ctx, s, "cdk-hnb659fds-deploy-role-123456789012-us-east-1", small); err != nil {
		t.Error(err)
	}
}

// deployAs wants the role to be able to see the version and the staging bucket, and to make no role itself.
func deployAs(ctx context.Context, s *System, role string, user iam.Credentials) error {
	_, c, err := s.IAM.Lookup(ctx, user.AccessKeyID, "")
	if err != nil {
		return err
	}
	session, err := s.IAM.AssumeRole(ctx, c, iam.AssumeRole{RoleARN: "arn:aws:iam::123456789012:role/" + role, SessionName: "s1"})
	if err != nil {
		return err
	}
	_, deployer, err := s.IAM.Lookup(ctx, session.Credentials.AccessKeyID, session.Credentials.SessionToken)
	if err != nil {
		return err
	}
	if p, err := s.SSM.GetParameter(ctx, deployer, "us-east-1", "/cdk-bootstrap/hnb659fds/version", false); err != nil || p.Value != bootstrapVersion {
		return fault.New("Unexpected", "version = %q, %v", p.Value, err)
	}
	if _, err := s.S3.BucketVersioning(ctx, deployer, "cdk-hnb659fds-assets-123456789012-us-east-1"); err != nil {
		return err
	}
	if _, err := s.IAM.CreateRole(ctx, deployer, iam.NewRole{Name: "x", Trust: "{}"}); !fault.Is(err, "AccessDenied") {
		return fault.New("Unexpected", "CreateRole by the deploy role = %v", err)
	}
	return nil
}
