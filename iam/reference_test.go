package iam

import (
	"strings"
	"testing"
)

// The policies of the AWS Storage Blog solution "Modify images cached in Amazon CloudFront using Amazon S3 Object Lambda",
// with its account, bucket, access points and functions filled in.
const (
	account = "111122223333"

	bucketARN       = "arn:aws:s3:::my-images-blog-bucket"
	accessPointARN  = "arn:aws:s3:us-west-2:111122223333:accesspoint/my-images-blog-access-point"
	objectLambdaARN = "arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/my-images-blog-s3-object-lambda-ap"
	functionARN     = "arn:aws:lambda:us-west-2:111122223333:function:images-exif-transform"
	functionRole    = "arn:aws:iam::111122223333:role/images-exif-transform-role"
	edgeRole        = "arn:aws:iam::111122223333:role/edge-origin-request-signer-role"

	functionTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	edgeTrust     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","edgelambda.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`

	edgePolicy = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"logs:CreateLogGroup","Resource":"arn:aws:logs:*:111122223333:*"},
 {"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":["arn:aws:logs:*:111122223333:log-group:/aws/lambda/*edge-origin-request-signer:*"]},
 {"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-west-2:111122223333:function:images-exif-transform:$LATEST"},
 {"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::my-images-blog-bucket/*","arn:aws:s3:us-west-2:111122223333:accesspoint/my-images-blog-access-point/object/*"]},
 {"Effect":"Allow","Action":"s3-object-lambda:GetObject","Resource":"arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/my-images-blog-s3-object-lambda-ap"}]}`
	writeResponse      = `{"Version":"2012-10-17","Statement":[{"Action":"s3-object-lambda:WriteGetObjectResponse","Resource":"arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/my-images-blog-s3-object-lambda-ap","Effect":"Allow"}]}`
	accessPointPolicy  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/images-exif-transform-role"},"Action":"s3:GetObject","Resource":"arn:aws:s3:us-west-2:111122223333:accesspoint/my-images-blog-access-point/object/*"}]}`
	objectLambdaPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/images-exif-transform-role"},"Action":"s3-object-lambda:GetObject","Resource":"arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/my-images-blog-s3-object-lambda-ap"}]}`
	enforceTLS         = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:*","Resource":["arn:aws:s3:::my-images-blog-bucket","arn:aws:s3:::my-images-blog-bucket/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
)

func sessionOf(roleARN, session string) Principal {
	name := roleARN[strings.LastIndexByte(roleARN, '/')+1:]
	return Principal{
		Kind: RoleSession, Account: account, Name: name, RoleARN: roleARN, ID: "AROAABCDEFGHIJKLMNOPQ:" + session,
		ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/" + session,
	}
}

// Every hop of a request through the reference solution, with the roles' own policies. The access point's and Object
// Lambda access point's policies name the other role: they grant the edge nothing, and need not.
func TestReferenceSolution(t *testing.T) {
	edge := sessionOf(edgeRole, "us-east-1.edge-origin-request-signer")
	function := sessionOf(functionRole, "images-exif-transform")
	of := func(kind PolicyKind, docs ...string) (list []*Policy) {
		for _, d := range docs {
			list = append(list, mustParse(t, kind, d))
		}
		return list
	}
	edgeHas := of(IdentityPolicy, edgePolicy)
	functionHas := of(IdentityPolicy, managedDocument(t, "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"), writeResponse)
	tls := Context{"aws:securetransport": {"true"}}
	for _, c := range []struct {
		name      string
		who       Principal
		identity  []*Policy
		action    string
		resources []string
		resource  []*Policy
		ctx       Context
		want      bool
		by        PolicyKind
	}{
		{"edge reads through the Object Lambda access point", edge, edgeHas, "s3-object-lambda:GetObject", []string{objectLambdaARN}, of(ResourcePolicy, objectLambdaPolicy), tls, true, IdentityPolicy},
		{"edge invokes the function by either name", edge, edgeHas, "lambda:InvokeFunction", []string{functionARN, functionARN + ":$LATEST"}, nil, tls, true, IdentityPolicy},
		{"edge invokes no other version", edge, edgeHas, "lambda:InvokeFunction", []string{functionARN + ":1"}, nil, tls, false, IdentityPolicy},
		{"edge's presigned read at the access point", edge, edgeHas, "s3:GetObject", []string{accessPointARN + "/object/a/photo.jpg"}, of(ResourcePolicy, accessPointPolicy), tls, true, IdentityPolicy},
		{"edge's presigned read at the bucket", edge, edgeHas, "s3:GetObject", []string{bucketARN + "/a/photo.jpg"}, of(ResourcePolicy, enforceTLS), tls, true, IdentityPolicy},
		{"bucket refuses plaintext", edge, edgeHas, "s3:GetObject", []string{bucketARN + "/a/photo.jpg"}, of(ResourcePolicy, enforceTLS), Context{"aws:securetransport": {"false"}}, false, ResourcePolicy},
		{"edge may not list the bucket", edge, edgeHas, "s3:ListBucket", []string{bucketARN}, of(ResourcePolicy, enforceTLS), tls, false, IdentityPolicy},
		{"edge may not write", edge, edgeHas, "s3:PutObject", []string{bucketARN + "/a/photo.jpg"}, nil, tls, false, IdentityPolicy},
		{"edge may not answer for the function", edge, edgeHas, "s3-object-lambda:WriteGetObjectResponse", []string{objectLambdaARN}, nil, tls, false, IdentityPolicy},
		{"edge logs in any region", edge, edgeHas, "logs:PutLogEvents", []string{"arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/us-east-1.edge-origin-request-signer:log-stream:x"}, nil, tls, true, IdentityPolicy},
		{"edge logs for no other function", edge, edgeHas, "logs:PutLogEvents", []string{"arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/other:log-stream:x"}, nil, tls, false, IdentityPolicy},
		{"function answers", function, functionHas, "s3-object-lambda:WriteGetObjectResponse", []string{objectLambdaARN}, nil, tls, true, IdentityPolicy},
		{"function answers for no other access point", function, functionHas, "s3-object-lambda:WriteGetObjectResponse", []string{objectLambdaARN + "x"}, nil, tls, false, IdentityPolicy},
		{"function logs", function, functionHas, "logs:CreateLogStream", []string{"arn:aws:logs:us-west-2:111122223333:log-group:/aws/lambda/images-exif-transform:*"}, nil, tls, true, IdentityPolicy},
		{"function has the access point by its policy", function, functionHas, "s3:GetObject", []string{accessPointARN + "/object/a/photo.jpg"}, of(ResourcePolicy, accessPointPolicy), tls, true, ResourcePolicy},
		{"function has not the bucket behind it", function, functionHas, "s3:GetObject", []string{bucketARN + "/a/photo.jpg"}, of(ResourcePolicy, enforceTLS), tls, false, IdentityPolicy},
		{"Lambda assumes the function's role", Principal{Kind: ServicePrincipal, Service: "lambda.amazonaws.com"}, nil, "sts:AssumeRole", []string{functionRole}, of(TrustPolicy, functionTrust), nil, true, TrustPolicy},
		{"Lambda at the edge does not assume the function's role", Principal{Kind: ServicePrincipal, Service: "edgelambda.amazonaws.com"}, nil, "sts:AssumeRole", []string{functionRole}, of(TrustPolicy, functionTrust), nil, false, TrustPolicy},
		{"Lambda at the edge assumes the edge's role", Principal{Kind: ServicePrincipal, Service: "edgelambda.amazonaws.com"}, nil, "sts:AssumeRole", []string{edgeRole}, of(TrustPolicy, edgeTrust), nil, true, TrustPolicy},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(Request{Principal: c.who, Action: c.action, Resources: c.resources, Context: c.ctx}, Policies{Identity: c.identity, Resource: c.resource})
			if d.Allowed != c.want || d.By != c.by {
				t.Errorf("decision is %+v, want allowed %v by the %v", d, c.want, c.by)
			}
		})
	}
}

// managedDocument returns the document of an AWS managed policy.
func managedDocument(t testing.TB, arn string) string {
	t.Helper()
	s := &Service{}
	if err := s.loadManaged(); err != nil {
		t.Fatal(err)
	}
	if s.managed[arn] == nil {
		t.Fatalf("no managed policy %s", arn)
	}
	return s.managed[arn].Versions[0].Document
}
