package iam

import "fmt"

// managedDocuments are the AWS managed policies that can be attached, by ARN. AWS Managed Policy Reference Guide.
// It is never written to.
var managedDocuments = map[string]string{
	"arn:aws:iam::aws:policy/AdministratorAccess": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,

	"arn:aws:iam::aws:policy/AmazonS3FullAccess": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}`,

	"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}`,

	"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`,

	"arn:aws:iam::aws:policy/service-role/AmazonS3ObjectLambdaExecutionRolePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents","s3-object-lambda:WriteGetObjectResponse"],"Resource":"*"}]}`,
}

// compileManaged compiles all of them, each named by its ARN.
func compileManaged() (map[string]*Policy, error) {
	out := make(map[string]*Policy, len(managedDocuments))
	for arn, doc := range managedDocuments {
		p, err := Parse([]byte(doc), IdentityPolicy)
		if err != nil {
			return nil, fmt.Errorf("managed policy %s: %w", arn, err)
		}
		out[arn] = p.Named(arn)
	}
	return out, nil
}
