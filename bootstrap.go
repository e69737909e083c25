package glassine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/s3"
)

// bootstrapVersion is that of the template with which aws-cdk 2.1148.1 bootstraps an account and region (seen 2026-11). Stacks
// of CDK ask for 6 or more, its look-ups for 8.
const bootstrapVersion = "33"

// bootstrapParameters are the parameters that a region has when CDK was bootstrapped in it: every region has them, so that a
// CDK app deploys with nothing set up before. `cdk bootstrap` takes them over.
func bootstrapParameters() map[string]string {
	return map[string]string{"/cdk-bootstrap/hnb659fds/version": bootstrapVersion}
}

// bootstrapName is how CDK names its staging bucket and its roles in an account and region.
var bootstrapName = regexp.MustCompile(`cdk-hnb659fds-(?:assets|deploy-role|file-publishing-role|image-publishing-role|lookup-role|cfn-exec-role)-([0-9]{12})-([a-z]{2}(?:-[a-z]{3,12}){1,3}-[0-9]{1,2})\b`)

// maxBootstrapBody is how much of a request is looked at for such a name: what names a role or a bucket is small.
const maxBootstrapBody = 64 << 10

// bootstrapper makes, in a region, what `cdk bootstrap` makes, as soon as a request names any of it: with the rights of who
// sent that request, so that nobody gets more by it than he could make for himself.
type bootstrapper struct {
	system *System
	turn   chan struct{} // held while a region is made ready, so that the next request waits for it
}

// ready is called before a request for a service is handled. It never refuses: what could not be made is missed by the
// request itself.
func (b *bootstrapper) ready(r *http.Request, service string) {
	region := b.named(r, service)
	if region == "" || b.system.S3.HasBucket(stagingBucket(b.system.cfg.Account, region)) { // it is made last
		return
	}
	c, ok := b.caller(r)
	if !ok {
		return
	}
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-r.Context().Done():
		return
	}
	if err := b.system.bootstrap(r.Context(), c, region); err != nil && fault.Code(err) == "" {
		b.system.cfg.Log.Error("region not made ready for CDK", "region", region, "error", err.Error())
	}
}

// named returns the region of a name of CDK's that is in the request's host, path or short body, "" when there is none.
func (b *bootstrapper) named(r *http.Request, service string) string {
	where := ""
	switch service {
	case wire.ServiceS3:
		where = wire.Hostname(r.Host) + " " + r.URL.Path
	case wire.ServiceSTS, wire.ServiceCloudFormation:
		if r.ContentLength <= 0 || r.ContentLength > maxBootstrapBody {
			return ""
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBootstrapBody)) // 64 KiB
		r.Body = &replayed{io.MultiReader(bytes.NewReader(body), failing{err}), r.Body, body}
		where = string(body)
	}
	if !strings.Contains(where, "cdk-hnb659fds-") {
		return ""
	}
	for _, m := range bootstrapName.FindAllStringSubmatch(where, -1) {
		if m[1] == b.system.cfg.Account {
			return m[2]
		}
	}
	return ""
}

// replayed is a body that was read, and can be again.
type replayed struct {
	io.Reader
	io.Closer
	read []byte
}

// failing gives the error that ended a body, or its end.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// caller verifies who sent the request.
func (b *bootstrapper) caller(r *http.Request) (iam.Caller, bool) {
	claimed, err := sigv4.Parse(r)
	if err != nil || claimed == nil {
		return iam.Caller{}, false
	}
	again := r.Clone(r.Context())
	again.Body = http.NoBody
	if body, ok := r.Body.(*replayed); ok {
		again.Body = io.NopCloser(bytes.NewReader(body.read))
	} else if r.ContentLength != 0 {
		return iam.Caller{}, false // an upload; what names CDK's bucket first has no body
	}
	c, sig, _, err := wire.AuthenticateWhole(again, wire.KeysOf(b.system.IAM.Lookup), []string{claimed.Service}, b.system.cfg.Now(), maxBootstrapBody)
	if err != nil || sig == nil {
		return iam.Caller{}, false
	}
	return c.WithContext(wire.Context(r, sig)), true
}

// bootstrapRoles are the roles of CDK: who may become them, and what they may do.
// (aws-cdk 2.1148.1, lib/api/bootstrap/bootstrap-template.yaml.)
func bootstrapRoles(account, region string) []struct{ name, trust, attached, policy string } {
	own := `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole","Condition":{"Null":{"sts:ExternalId":"true"}}},` +
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:TagSession"}]}`
	service := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudformation.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	bucket := `["arn:aws:s3:::` + stagingBucket(account, region) + `","arn:aws:s3:::` + stagingBucket(account, region) + `/*"]`
	allow := func(actions, resource string) string {
		return `{"Effect":"Allow","Action":[` + actions + `],"Resource":` + resource + `}`
	}
	document := func(statements ...string) string {
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	const aws = "arn:aws:iam::aws:policy/"
	return []struct{ name, trust, attached, policy string }{
		{"cfn-exec-role", service, aws + "AdministratorAccess", ""},
		{"file-publishing-role", own, "", document(allow(`"s3:GetObject*","s3:GetBucket*","s3:GetEncryptionConfiguration","s3:List*","s3:DeleteObject*","s3:PutObject*","s3:Abort*"`, bucket))},
		{"image-publishing-role", own, "", document(allow(`"ecr:GetAuthorizationToken"`, `"*"`))},
		{"lookup-role", own, aws + "ReadOnlyAccess", ""},
		{"deploy-role", own, aws + "AWSCloudFormationReadOnlyAccess", document(
			allow(`"cloudformation:CreateChangeSet","cloudformation:DeleteChangeSet","cloudformation:ExecuteChangeSet","cloudformation:CreateStack","cloudformation:UpdateStack","cloudformation:RollbackStack","cloudformation:ContinueUpdateRollback","cloudformation:DeleteStack","cloudformation:UpdateTerminationProtection","sts:GetCallerIdentity"`, `"*"`),
			allow(`"iam:PassRole"`, `"arn:aws:iam::`+account+`:role/cdk-hnb659fds-cfn-exec-role-`+account+`-`+region+`"`),
			allow(`"s3:GetObject*","s3:GetBucket*","s3:List*"`, bucket),
			allow(`"ssm:GetParameter","ssm:GetParameters"`, `"arn:aws:ssm:`+region+`:`+account+`:parameter/cdk-bootstrap/hnb659fds/version"`),
		)},
	}
}

func stagingBucket(account, region string) string {
	return "cdk-hnb659fds-assets-" + account + "-" + region
}

// bootstrap makes the bucket and the roles, as c. What is there already stays as it is.
func (s *System) bootstrap(ctx context.Context, c iam.Caller, region string) error {
	account := s.cfg.Account
	for _, role := range bootstrapRoles(account, region) {
		name := "cdk-hnb659fds-" + role.name + "-" + account + "-" + region
		tag := iam.Tag{Key: "aws-cdk:bootstrap-role", Value: strings.TrimSuffix(role.name, "-role")}
		if _, err := s.IAM.CreateRole(ctx, c, iam.NewRole{Name: name, Trust: role.trust, Tags: []iam.Tag{tag}}); fault.Is(err, "EntityAlreadyExists") {
			continue
		} else if err != nil {
			return err
		}
		if role.attached != "" {
			if err := s.IAM.AttachRolePolicy(ctx, c, name, role.attached); err != nil {
				return err
			}
		}
		if role.policy != "" {
			if err := s.IAM.PutRolePolicy(ctx, c, name, "default", role.policy); err != nil {
				return err
			}
		}
	}
	return s.stage(ctx, c, stagingBucket(account, region), region)
}

// stage makes the bucket that assets are uploaded to: versioned, and rid of old versions.
func (s *System) stage(ctx context.Context, c iam.Caller, bucket, region string) error {
	if _, err := s.S3.CreateBucket(ctx, c, bucket, region); fault.Is(err, "BucketAlreadyOwnedByYou") {
		return nil
	} else if err != nil {
		return err
	}
	return errors.Join(
		s.S3.PutBucketVersioning(ctx, c, bucket, s3.VersioningEnabled),
		s.S3.PutBucketLifecycle(ctx, c, bucket, []s3.LifecycleRule{
			{ID: "CleanupOldVersions", Enabled: true, NoncurrentDays: 30}, {ID: "AbortIncompleteMultipartUploads", Enabled: true, AbortDays: 1},
		}),
	)
}
