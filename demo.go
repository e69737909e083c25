package glassine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/edge"
	"glassine/iam"
	"glassine/lambda"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/state"
	"glassine/store"
	"glassine/transform"
	"glassine/transform/sample"
)

// Names of the demo's parts. The bucket's name ends in the account, as bucket names are everybody's.
const (
	demoPoint    = "glassine-demo-ap"
	demoLambda   = "glassine-demo"
	demoImage    = "glassine-image"
	demoSigner   = "glassine-signer"
	demoRole     = "glassine-image-role"
	demoEdgeRole = "glassine-signer-role"
	demoPolicy   = "glassine-demo-query-string"
)

// DemoBucket is the demo's bucket in an account.
func DemoBucket(account string) string { return "glassine-demo-" + account }

// DemoKey is the sample photograph's key in it.
const DemoKey = sample.Name

// demoMarker is written last, so that a start that was cut short goes on, and a demo that was taken away stays away.
const demoTable, demoKey = "glassine", "demo"

// deployDemo sets up the whole architecture as a user would, call by call, as the root user.
func (s *System) deployDemo(ctx context.Context, records state.Store) error {
	if _, err := records.Get(ctx, demoTable, demoKey); err == nil {
		return nil
	} else if !errors.Is(err, state.ErrNotFound) {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context, iam.Caller) error
	}{
		{"bucket", s.demoBucket},
		{"roles", s.demoRoles},
		{"functions", s.demoFunctions},
		{"access points", s.demoPoints},
		{"edge role", s.demoEdgeRights},
		{"distribution", s.demoDistribution},
	} {
		if err := step.do(ctx, s.IAM.Root()); err != nil {
			return fmt.Errorf("deploy the demo's %s: %w", step.name, err)
		}
	}
	return records.Commit(ctx, state.Change{Table: demoTable, Key: demoKey, Value: []byte(`{"deployed":true}`)})
}

// made passes over what an earlier, interrupted start made.
func made(err error) error {
	switch fault.Code(err) {
	case "BucketAlreadyOwnedByYou", "EntityAlreadyExists", "ResourceConflictException", "AccessPointAlreadyOwnedByYou",
		"CachePolicyAlreadyExists", "DistributionAlreadyExists":
		return nil
	}
	return err
}

func (s *System) demoBucket(ctx context.Context, c iam.Caller) error {
	bucket := DemoBucket(s.cfg.Account)
	if _, err := s.S3.CreateBucket(ctx, c, bucket, ""); made(err) != nil {
		return err
	}
	if err := s.S3.PutPublicAccessBlock(ctx, c, bucket, s3.BlockAll); err != nil {
		return err
	}
	_, err := s.S3.PutObject(ctx, c, s3.Target{Bucket: bucket}, DemoKey, strings.NewReader(string(sample.JPEG)),
		store.PutOptions{Headers: store.Headers{ContentType: "image/jpeg"}})
	return err
}

func trust(services string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":` + services + `},"Action":"sts:AssumeRole"}]}`
}

func (s *System) demoRoles(ctx context.Context, c iam.Caller) error {
	if _, err := s.IAM.CreateRole(ctx, c, iam.NewRole{Name: demoRole, Description: "Runs the image function of the demo", Trust: trust(`"lambda.amazonaws.com"`)}); made(err) != nil {
		return err
	}
	if err := s.IAM.AttachRolePolicy(ctx, c, demoRole, "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"); err != nil {
		return err
	}
	if err := s.IAM.PutRolePolicy(ctx, c, demoRole, "write-response", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3-object-lambda:WriteGetObjectResponse","Resource":"`+s.demoLambdaARN()+`"}]}`); err != nil {
		return err
	}
	_, err := s.IAM.CreateRole(ctx, c, iam.NewRole{Name: demoEdgeRole, Description: "Runs the origin signer of the demo at the edge", Trust: trust(`["lambda.amazonaws.com","edgelambda.amazonaws.com"]`)})
	return made(err)
}

func (s *System) roleARN(name string) string {
	return "arn:aws:iam::" + s.cfg.Account + ":role/" + name
}

func (s *System) demoPointARN() string {
	return "arn:aws:s3:" + s.cfg.Region + ":" + s.cfg.Account + ":accesspoint/" + demoPoint
}

func (s *System) demoLambdaARN() string {
	return "arn:aws:s3-object-lambda:" + s.cfg.Region + ":" + s.cfg.Account + ":accesspoint/" + demoLambda
}

func (s *System) demoFunctionARN() string {
	return "arn:aws:lambda:" + s.cfg.Region + ":" + s.cfg.Account + ":function:" + demoImage
}

func (s *System) demoFunctions(ctx context.Context, c iam.Caller) error {
	if _, err := s.Lambda.CreateFunction(ctx, c, lambda.NewFunction{
		Name: demoImage, Code: lambda.Code{URI: "glassine://image"}, Role: s.roleARN(demoRole), Memory: 512, Timeout: time.Minute,
		Description: "Serves pictures without metadata; showExif=true answers the EXIF as JSON",
	}); made(err) != nil {
		return err
	}
	if _, err := s.Lambda.CreateFunction(ctx, c, lambda.NewFunction{
		Name: demoSigner, Region: "us-east-1", Code: lambda.Code{URI: "glassine://signer"}, Role: s.roleARN(demoEdgeRole), Timeout: 5 * time.Second,
		Description: "Signs requests to the Object Lambda access point at origin-request",
	}); made(err) != nil {
		return err
	}
	_, _, err := s.Lambda.PublishVersion(ctx, c, s.signerARN(), lambda.Publish{})
	return err
}

func (s *System) signerARN() string {
	return "arn:aws:lambda:us-east-1:" + s.cfg.Account + ":function:" + demoSigner
}

// demoPoints makes both access points. Their policies name the function's role, as the reference solution's do; they
// decide nothing, since it is the edge role that asks and it has the rights itself.
func (s *System) demoPoints(ctx context.Context, c iam.Caller) error {
	if _, err := s.S3.CreateAccessPoint(ctx, c, s3.NewAccessPoint{Name: demoPoint, Bucket: DemoBucket(s.cfg.Account), Block: s3.BlockAll}); made(err) != nil {
		return err
	}
	grant := func(action, resource string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + s.roleARN(demoRole) + `"},"Action":"` + action + `","Resource":"` + resource + `"}]}`
	}
	if err := s.S3.PutAccessPointPolicy(ctx, c, demoPoint, grant("s3:GetObject", s.demoPointARN()+"/object/*")); err != nil {
		return err
	}
	if _, err := s.ObjectLambda.Create(ctx, c, demoLambda, objectlambda.Configuration{
		SupportingAccessPoint: s.demoPointARN(),
		Transformations:       []objectlambda.Transformation{{Actions: []string{objectlambda.GetObject}, Function: s.demoFunctionARN()}},
	}); made(err) != nil {
		return err
	}
	return s.ObjectLambda.PutPolicy(ctx, c, demoLambda, grant("s3-object-lambda:GetObject", s.demoLambdaARN()))
}

// demoEdgeRights gives the signer's role what the chain asks of the caller: the Object Lambda access point, the function,
// the object through the access point and in the bucket.
func (s *System) demoEdgeRights(ctx context.Context, c iam.Caller) error {
	allow := func(name, action string, resources ...string) error {
		return s.IAM.PutRolePolicy(ctx, c, demoEdgeRole, name,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"`+action+`","Resource":["`+strings.Join(resources, `","`)+`"]}]}`)
	}
	return errors.Join(
		s.IAM.AttachRolePolicy(ctx, c, demoEdgeRole, "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
		allow("object-lambda", "s3-object-lambda:GetObject", s.demoLambdaARN()),
		allow("invoke", "lambda:InvokeFunction", s.demoFunctionARN()+":$LATEST"),
		allow("read-original", "s3:GetObject", s.demoPointARN()+"/object/*", "arn:aws:s3:::"+DemoBucket(s.cfg.Account)+"/*"),
	)
}

func (s *System) demoDistribution(ctx context.Context, c iam.Caller) error {
	policies, err := s.Edge.ListCachePolicies(ctx, c)
	if err != nil {
		return err
	}
	policyID := ""
	for _, p := range policies {
		if p.Config.Name == demoPolicy {
			policyID = p.ID
		}
	}
	if policyID == "" {
		day, year := int64(86400), int64(31536000)
		p, err := s.Edge.CreateCachePolicy(ctx, c, edge.CachePolicyConfig{
			Name: demoPolicy, Comment: "Caches by path and the wishes of viewers", DefaultTTL: &day, MaxTTL: &year,
			AcceptEncodingGzip: true, AcceptEncodingBrotli: true,
			Headers: edge.Selection{Behavior: "whitelist", Names: []string{transform.AcceptHeader}}, Cookies: edge.Selection{Behavior: "none"},
			// The header makes that all are the parameters of pictures. Not metadata: whether it goes is not for viewers to say.
			QueryStrings: edge.Selection{Behavior: "allExcept", Names: []string{"metadata"}},
		})
		if err != nil {
			return err
		}
		policyID = p.ID
	}
	_, err = s.Edge.CreateDistribution(ctx, c, edge.DistributionConfig{
		CallerReference: "glassine-demo", Comment: "The demo: photographs without metadata", Enabled: true, Aliases: []string{"localhost"},
		Origins: []edge.Origin{{
			ID: "object-lambda", DomainName: demoLambda + "-" + s.cfg.Account + ".s3-object-lambda." + s.cfg.Region + ".amazonaws.com",
			Custom: &edge.CustomOrigin{ProtocolPolicy: "https-only", SSLProtocols: []string{"TLSv1.2"}},
		}},
		DefaultCacheBehavior: edge.CacheBehavior{
			TargetOriginID: "object-lambda", ViewerProtocolPolicy: "redirect-to-https", CachePolicyID: policyID, Compress: true,
			LambdaFunctions: []edge.LambdaFunctionAssociation{{FunctionARN: s.signerARN() + ":1", EventType: "origin-request"}},
		},
	})
	return made(err)
}
