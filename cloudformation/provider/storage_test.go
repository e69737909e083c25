package provider

import (
	"strings"
	"testing"

	"glassine/cloudformation"
	"glassine/s3"
	"glassine/store"
)

func TestBucketFromItsFirstDayToItsLast(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	out := r.deploy("My-Stack", `
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      AccessControl: Private
      BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]}
      PublicAccessBlockConfiguration: {BlockPublicAcls: true, BlockPublicPolicy: "false", IgnorePublicAcls: true, RestrictPublicBuckets: true}
      VersioningConfiguration: {Status: Enabled}
      OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}
      CorsConfiguration: {CorsRules: [{AllowedMethods: [GET], AllowedOrigins: ["*"], MaxAge: 60, ExposedHeaders: [ETag]}]}
      LifecycleConfiguration:
        Rules:
          - {Id: old, Status: Enabled, Prefix: tmp/, ExpirationInDays: 3, AbortIncompleteMultipartUpload: {DaysAfterInitiation: 1}}
          - {Status: Disabled, NoncurrentVersionExpiration: {NoncurrentDays: 30}, TagFilters: [{Key: k, Value: v}]}
      Tags: [{Key: own, Value: "1"}, {Key: both, Value: bucket}]
Outputs:
  Name: {Value: !Ref Bucket}
  Arn: {Value: !GetAtt Bucket.Arn}
  Domain: {Value: !GetAtt Bucket.DomainName}
  Regional: {Value: !GetAtt Bucket.RegionalDomainName}
  Dual: {Value: !GetAtt Bucket.DualStackDomainName}
`, cloudformation.Tag{Key: "both", Value: "stack"}, cloudformation.Tag{Key: "of", Value: "stack"})
	name := out["Name"]
	if !strings.HasPrefix(name, "my-stack-bucket-") || len(name) > 63 || name != strings.ToLower(name) {
		t.Errorf("name = %q, want my-stack-bucket-<random>", name)
	}
	equal(t, "Arn", out["Arn"], "arn:aws:s3:::"+name)
	equal(t, "DomainName", out["Domain"], name+".s3.amazonaws.com")
	equal(t, "RegionalDomainName", out["Regional"], name+".s3.us-east-1.amazonaws.com")
	equal(t, "DualStackDomainName", out["Dual"], name+".s3.dualstack.us-east-1.amazonaws.com")
	block, err := r.S3.GetPublicAccessBlock(ctx, r.root, name)
	if err != nil || block.BlockPublicPolicy || !block.BlockPublicAcls {
		t.Errorf("block = %+v, %v", block, err)
	}
	versioning, err := r.S3.BucketVersioning(ctx, r.root, name)
	if err != nil || versioning != "Enabled" {
		t.Errorf("versioning = %q, %v", versioning, err)
	}
	cors, err := r.S3.BucketCORS(ctx, r.root, name)
	if err != nil || len(cors) != 1 || *cors[0].MaxAgeSeconds != 60 || cors[0].ExposeHeaders[0] != "ETag" {
		t.Errorf("CORS = %+v, %v", cors, err)
	}
	rules, err := r.S3.BucketLifecycle(ctx, r.root, name)
	if err != nil || len(rules) != 2 || rules[0].ExpireDays != 3 || rules[0].AbortDays != 1 || rules[1].Enabled || rules[1].NoncurrentDays != 30 || rules[1].Tags["k"] != "v" {
		t.Errorf("lifecycle = %+v, %v", rules, err)
	}
	tags, err := r.S3.BucketTagging(ctx, r.root, name)
	if err != nil || len(tags) != 3 || tags["both"] != "bucket" || tags["of"] != "stack" || tags["own"] != "1" {
		t.Errorf("tags = %v, %v", tags, err)
	}

	// All of it is taken away again, and the bucket stays.
	out = r.deploy("My-Stack", "Resources: {Bucket: {Type: AWS::S3::Bucket}}")
	equal(t, "bucket after the update", out["#Bucket"], name)
	if block, err := r.S3.GetPublicAccessBlock(ctx, r.root, name); err != nil || block != s3.BlockAll {
		t.Errorf("block = %+v, %v, want all on", block, err)
	}
	if versioning, err := r.S3.BucketVersioning(ctx, r.root, name); err != nil || versioning != "Suspended" {
		t.Errorf("versioning = %q, %v, want Suspended", versioning, err)
	}
	_, err = r.S3.BucketCORS(ctx, r.root, name)
	wantCode(t, "CORS", err, "NoSuchCORSConfiguration")
	_, err = r.S3.BucketLifecycle(ctx, r.root, name)
	wantCode(t, "lifecycle", err, "NoSuchLifecycleConfiguration")
	if tags, err := r.S3.BucketTagging(ctx, r.root, name); err != nil || len(tags) != 2 || tags["both"] != "stack" {
		t.Errorf("tags = %v, %v, want those of the stack alone", tags, err)
	}

	// Another name is another bucket.
	out = r.deploy("My-Stack", "Resources: {Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: second-bucket}}}")
	equal(t, "bucket after the replacement", out["#Bucket"], "second-bucket")
	if r.S3.HasBucket(name) {
		t.Error("the replaced bucket is still there")
	}

	// One that is not empty stays, and the stack with it.
	if _, err := r.S3.PutObject(ctx, r.root, s3.Target{Bucket: "second-bucket"}, "k", strings.NewReader("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.stack.DeleteStack(ctx, r.root, cloudformation.DeleteInput{Region: region, Name: "My-Stack"}); err != nil {
		t.Fatal(err)
	}
	if s := r.settle("My-Stack", "DELETE_FAILED"); !strings.Contains(s.Reason, "Bucket") {
		t.Errorf("reason = %q, want one that names the bucket", s.Reason)
	}
	if _, err := r.S3.DeleteObject(ctx, r.root, s3.Target{Bucket: "second-bucket"}, "k", store.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.destroy("My-Stack")
	if r.S3.HasBucket("second-bucket") {
		t.Error("the bucket is still there")
	}
}

func TestWhatABucketCannotBe(t *testing.T) {
	r := newRig(t)
	if _, err := r.S3.CreateBucket(t.Context(), r.root, "taken-bucket", ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, properties, reason string }{
		{"a name that is taken", "{BucketName: taken-bucket}", "already own it"},
		{"a property that S3 has not", "{BucketNames: x}", "BucketNames"},
		{"a property that we have not", "{WebsiteConfiguration: {IndexDocument: x}}", "WebsiteConfiguration"},
		{"encryption with KMS", "{BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: aws:kms}}]}}", "aws:kms"},
		{"a public ACL", "{AccessControl: PublicRead}", "PublicRead"},
		{"a name that is none", "{BucketName: No_Bucket}", "not valid"},
		{"rules that S3 refuses, after the bucket is made", "{BucketName: made-and-gone, CorsConfiguration: {CorsRules: [{AllowedMethods: [FETCH], AllowedOrigins: ['*']}]}}", "FETCH"},
		{"a date that is none", "{LifecycleConfiguration: {Rules: [{Status: Enabled, ExpirationDate: tomorrow}]}}", "tomorrow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := *r
			r.t = t
			r.fails("Resources: {Bucket: {Type: AWS::S3::Bucket, Properties: "+c.properties+"}}", c.reason)
		})
	}
	if r.S3.HasBucket("made-and-gone") {
		t.Error("the bucket of a failed creation is still there")
	}
	if !r.S3.HasBucket("taken-bucket") {
		t.Error("a failed creation took a bucket that was not its own")
	}
}

func TestPoliciesAndAccessPoints(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	const template = `
Resources:
  Bucket: {Type: AWS::S3::Bucket}
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument: {Version: "2012-10-17", Statement: [{Sid: EFFECT, Effect: Deny, Principal: "*", Action: s3:*, Resource: !Sub "${Bucket.Arn}/*", Condition: {Bool: {aws:SecureTransport: false}}}]}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}
  Function:
    Type: AWS::Lambda::Function
    Properties: {Role: !GetAtt Role.Arn, Code: "glassine://image"}
  Point:
    Type: AWS::S3::AccessPoint
    Properties:
      Bucket: !Ref Bucket
      NAME
      Policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: !GetAtt Role.Arn}, Action: s3:GetObject, Resource: !Sub "arn:aws:s3:${AWS::Region}:${AWS::AccountId}:accesspoint/images-ap/object/*"}]}
      Tags: [{Key: a, Value: b}]
  ObjectLambda:
    Type: AWS::S3ObjectLambda::AccessPoint
    Properties:
      Name: images-olap
      ObjectLambdaConfiguration:
        SupportingAccessPoint: !GetAtt Point.Arn
        TransformationConfigurations: [{Actions: [GetObject], ContentTransformation: {AwsLambda: {FunctionArn: !GetAtt Function.Arn, FunctionPayload: PAYLOAD}}}]
  ObjectLambdaPolicy:
    Type: AWS::S3ObjectLambda::AccessPointPolicy
    Properties:
      ObjectLambdaAccessPoint: !Ref ObjectLambda
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: !GetAtt Role.Arn}, Action: s3-object-lambda:GetObject, Resource: !GetAtt ObjectLambda.Arn}]}
Outputs:
  Alias: {Value: !GetAtt Point.Alias}
  Network: {Value: !GetAtt Point.NetworkOrigin}
  LambdaAlias: {Value: !GetAtt ObjectLambda.Alias.Value}
  Public: {Value: !GetAtt ObjectLambda.PolicyStatus.IsPublic}
`
	with := func(effect, name, payload string) string {
		return strings.NewReplacer("EFFECT", effect, "NAME", name, "PAYLOAD", payload).Replace(template)
	}
	out := r.deploy("points", with("one", "Name: images-ap", "p1"))
	point, err := r.S3.GetAccessPoint(ctx, r.root, "images-ap")
	if err != nil || point.Alias != out["Alias"] || point.Block != s3.BlockAll || point.Tags["a"] != "b" || out["Network"] != "Internet" {
		t.Errorf("access point = %+v, %v; outputs %v", point, err, out)
	}
	if policy, err := r.S3.GetAccessPointPolicy(ctx, r.root, "images-ap"); err != nil || !strings.Contains(policy, "/object/*") {
		t.Errorf("access point policy = %s, %v", policy, err)
	}
	olap, err := r.ObjectLambda.Get(ctx, r.root, "images-olap")
	if err != nil || olap.Alias != out["LambdaAlias"] || out["Public"] != "false" {
		t.Errorf("object lambda = %+v, %v; outputs %v", olap, err, out)
	}
	if policy, err := r.ObjectLambda.GetPolicy(ctx, r.root, "images-olap"); err != nil || !strings.Contains(policy, olap.ARN()) {
		t.Errorf("object lambda policy = %s, %v", policy, err)
	}
	if policy, err := r.S3.GetBucketPolicy(ctx, r.root, out["#Bucket"]); err != nil || !strings.Contains(policy, `"one"`) {
		t.Errorf("bucket policy = %s, %v", policy, err)
	}

	out = r.deploy("points", with("two", "Name: images-ap", "p2"))
	if policy, err := r.S3.GetBucketPolicy(ctx, r.root, out["#Bucket"]); err != nil || !strings.Contains(policy, `"two"`) {
		t.Errorf("bucket policy after the update = %s, %v", policy, err)
	}
	if cfg, err := r.ObjectLambda.GetConfiguration(ctx, r.root, "images-olap"); err != nil || cfg.Transformations[0].Payload != "p2" {
		t.Errorf("configuration after the update = %+v, %v", cfg, err)
	}
	// A second policy on the bucket is no replacement of the first.
	r.fails(`Resources: {P: {Type: AWS::S3::BucketPolicy, Properties: {Bucket: `+out["#Bucket"]+`, PolicyDocument: {Version: "2012-10-17", Statement: []}}}}`, "already exists on bucket")
	if policy, err := r.S3.GetBucketPolicy(ctx, r.root, out["#Bucket"]); err != nil || !strings.Contains(policy, `"two"`) {
		t.Errorf("bucket policy after another's failure = %s, %v", policy, err)
	}
	r.destroy("points")
	if points, err := r.S3.AccessPoints(ctx, r.root, ""); err != nil || len(points) != 0 {
		t.Errorf("access points = %v, %v, want none", points, err)
	}
	if all, err := r.ObjectLambda.List(ctx, r.root); err != nil || len(all) != 0 {
		t.Errorf("object lambda access points = %v, %v, want none", all, err)
	}
}
