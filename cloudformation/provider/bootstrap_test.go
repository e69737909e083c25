package provider

import (
	"strings"
	"testing"

	"glassine/iam"
	"glassine/s3"
	"glassine/store"
)

// The stack of cdk bootstrap takes over what is there, and makes it what it says; nothing else is taken over.
func TestBootstrapAdoptsWhatIsThere(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	const bucket, role = "cdk-hnb659fds-assets-123456789012-us-east-1", "cdk-hnb659fds-deploy-role-123456789012-us-east-1"
	if _, err := r.S3.CreateBucket(ctx, r.root, bucket, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.S3.PutObject(ctx, r.root, s3.Target{Bucket: bucket}, "asset.zip", strings.NewReader("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.IAM.CreateRole(ctx, r.root, iam.NewRole{Name: role, Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}); err != nil {
		t.Fatal(err)
	}
	if err := r.IAM.PutRolePolicy(ctx, r.root, role, "old", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`); err != nil {
		t.Fatal(err)
	}
	template := func(bucket, role string) string {
		return `
Resources:
  StagingBucket:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties: {BucketName: ` + bucket + `, AccessControl: Private, VersioningConfiguration: {Status: Enabled}, BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: aws:kms}}]}}
  Role:
    Type: AWS::IAM::Role
    Properties: {RoleName: ` + role + `, Policies: [{PolicyName: default, PolicyDocument: ` + doc("cloudformation:*") + `}], AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: !Ref AWS::AccountId}, Action: sts:AssumeRole}]}}
  Repository: {Type: AWS::ECR::Repository, Properties: {RepositoryName: cdk-hnb659fds-container-assets-123456789012-us-east-1, ImageTagMutability: IMMUTABLE}}
  Version: {Type: AWS::SSM::Parameter, Properties: {Name: /cdk-bootstrap/hnb659fds/version, Type: String, Value: "33"}}
`
	}
	out := r.deploy("CDKToolkit", template(bucket, role))
	if out["#StagingBucket"] != bucket || out["#Role"] != role {
		t.Errorf("resources = %v", out)
	}
	got, err := r.IAM.GetRole(ctx, r.root, role)
	if err != nil || len(got.Inline) != 1 || got.Inline["default"] == "" || !strings.Contains(got.Trust, account) {
		t.Errorf("role = %+v, %v", got, err)
	}
	if encryption, err := r.S3.BucketEncryption(ctx, r.root, bucket); err != nil || encryption != s3.AES256 {
		t.Errorf("encryption = %q, %v, want AES256", encryption, err)
	}
	if versioning, err := r.S3.BucketVersioning(ctx, r.root, bucket); err != nil || versioning != "Enabled" {
		t.Errorf("versioning = %q, %v", versioning, err)
	}
	r.destroy("CDKToolkit")
	if !r.S3.HasBucket(bucket) {
		t.Error("the bucket was to be retained")
	}
	if _, err := r.S3.CreateBucket(ctx, r.root, "other-bucket", ""); err != nil {
		t.Fatal(err)
	}
	r.fails(template("other-bucket", "other-role"), "already own it")
	r.fails("Resources: {R: {Type: AWS::ECR::Repository, Properties: {RepositoryName: mine}}}", "no image repositories")
	r.fails("Resources: {R: {Type: AWS::KMS::Key, Properties: {KeyPolicy: {}}}}", "no KMS")
}
