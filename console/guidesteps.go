package console

import (
	"slices"
	"strings"

	"glassine/console/client"
)

// basicExecution lets a function write its log.
const basicExecution = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

// allow is a policy of one statement.
func allow(action string, resources ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":["` + strings.Join(resources, `","`) + `"]}]}`
}

// grant is a resource's policy that lets a role do something.
func grant(role, action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + role + `"},"Action":"` + action + `","Resource":"` + resource + `"}]}`
}

// signerPolicy is what the chain asks of whoever asks the Object Lambda access point.
func (n guideNames) signerPolicy() string {
	return `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":"s3-object-lambda:GetObject","Resource":"` + n.lambdaARN() + `"},` +
		`{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"` + n.functionARN() + `:$LATEST"},` +
		`{"Effect":"Allow","Action":"s3:GetObject","Resource":["` + n.pointARN() + `/object/*","arn:aws:s3:::` + n.Bucket + `/*"]}]}`
}

// guideSteps are what the reference solution does, in its order. It is never written to.
var guideSteps = []guideStep{
	{
		Id: "bucket", Title: "A private, encrypted bucket", Why: "The originals. Nothing of it is public, and nothing ever will be by accident: all four blocks of public access are on.",
		Fields: []guideField{{"bucket", "Bucket", "3 to 63 lower-case letters, digits and hyphens."}},
		state: func(q *request, n guideNames) bool {
			b, err := q.aws.GetPublicAccessBlock(q.ctx(), n.Bucket)
			return err == nil && b.All()
		},
		do: func(q *request, n guideNames) error {
			return first(func() error { return q.aws.CreateBucket(q.ctx(), n.Bucket) }, func() error { return q.aws.BlockPublicAccess(q.ctx(), n.Bucket) },
				func() error { return q.aws.PutBucketEncryption(q.ctx(), n.Bucket) })
		},
		commands: func(n guideNames) []string {
			create := []string{"s3api", "create-bucket", "--bucket", n.Bucket}
			if n.Region != "us-east-1" {
				create = append(create, "--create-bucket-configuration", "LocationConstraint="+n.Region)
			}
			return []string{
				client.Command(create...),
				client.Command("s3api", "put-public-access-block", "--bucket", n.Bucket, "--public-access-block-configuration", "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"),
				client.Command("s3api", "put-bucket-encryption", "--bucket", n.Bucket, "--server-side-encryption-configuration", `{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}`),
			}
		},
		template: func(n guideNames) string {
			return "Photos:\n  Type: AWS::S3::Bucket\n  Properties:\n    BucketName: " + n.Bucket + "\n    PublicAccessBlockConfiguration:\n      BlockPublicAcls: true\n      IgnorePublicAcls: true\n      BlockPublicPolicy: true\n      RestrictPublicBuckets: true\n    BucketEncryption:\n      ServerSideEncryptionConfiguration:\n        - ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}\n"
		},
	},
	{
		Id: "function", Title: "The function that cleans", Why: "It reads an original and answers with the same picture without its metadata. Here it is glassine's own; a zip of yours works as well, on the page of functions.",
		Fields: []guideField{{"function", "Function", "Its role is called the same, with -role behind."}},
		state: func(q *request, n guideNames) bool {
			_, _, err := q.aws.GetFunction(q.ctx(), n.Function)
			return there(err)
		},
		do: func(q *request, n guideNames) error {
			return first(func() error {
				return q.aws.CreateRole(q.ctx(), n.functionRole(), trustOf("lambda.amazonaws.com"), "Runs the function that cleans")
			},
				func() error { return q.aws.Attach(q.ctx(), client.OfRole, n.functionRole(), basicExecution, false) },
				func() error {
					return q.aws.CreateFunction(q.ctx(), client.NewFunction{Name: n.Function, Image: "glassine://image", Role: n.role(n.functionRole()), Memory: 512, Timeout: 60})
				})
		},
		commands: func(n guideNames) []string {
			return []string{
				client.Command("iam", "create-role", "--role-name", n.functionRole(), "--assume-role-policy-document", trustOf("lambda.amazonaws.com")),
				client.Command("iam", "attach-role-policy", "--role-name", n.functionRole(), "--policy-arn", basicExecution),
				client.Command("lambda", "create-function", "--function-name", n.Function, "--role", n.role(n.functionRole()), "--package-type", "Image", "--code", "ImageUri=glassine://image", "--memory-size", "512", "--timeout", "60"),
			}
		},
		template: func(n guideNames) string {
			return "CleanRole:\n  Type: AWS::IAM::Role\n  Properties:\n    RoleName: " + n.functionRole() + "\n    AssumeRolePolicyDocument:\n      Version: '2012-10-17'\n      Statement:\n        - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}\n    ManagedPolicyArns: [" + basicExecution + "]\nClean:\n  Type: AWS::Lambda::Function\n  Properties:\n    FunctionName: " + n.Function + "\n    PackageType: Image\n    Code: {ImageUri: 'glassine://image'}\n    Role: !GetAtt CleanRole.Arn\n    MemorySize: 512\n    Timeout: 60\n"
		},
	},
	{
		Id: "point", Title: "The supporting access point", Why: "A door to the bucket with a policy of its own. Object Lambda goes through it.",
		Fields: []guideField{{"point", "Access point", "3 to 50 lower-case letters, digits and hyphens."}},
		state: func(q *request, n guideNames) bool {
			_, err := q.aws.GetAccessPoint(q.ctx(), n.Point)
			return there(err)
		},
		do: func(q *request, n guideNames) error {
			return first(func() error { return q.aws.CreateAccessPoint(q.ctx(), n.Point, n.Bucket) },
				func() error {
					return q.aws.PutAccessPointPolicy(q.ctx(), n.Point, false, grant(n.role(n.functionRole()), "s3:GetObject", n.pointARN()+"/object/*"))
				})
		},
		commands: func(n guideNames) []string {
			return []string{
				client.Command("s3control", "create-access-point", "--account-id", n.Account, "--name", n.Point, "--bucket", n.Bucket),
				client.Command("s3control", "put-access-point-policy", "--account-id", n.Account, "--name", n.Point, "--policy", grant(n.role(n.functionRole()), "s3:GetObject", n.pointARN()+"/object/*")),
			}
		},
		template: func(n guideNames) string {
			return "PhotosPoint:\n  Type: AWS::S3::AccessPoint\n  Properties:\n    Name: " + n.Point + "\n    Bucket: !Ref Photos\n"
		},
	},
	{
		Id: "lambda", Title: "The Object Lambda access point", Why: "What is asked here is answered by the function. This is the only way out of the bucket.",
		Fields: []guideField{{"lambda", "Object Lambda access point", "3 to 45 lower-case letters, digits and hyphens."}},
		state: func(q *request, n guideNames) bool {
			_, err := q.aws.GetObjectLambdaConfiguration(q.ctx(), n.Lambda)
			return there(err)
		},
		do: func(q *request, n guideNames) error {
			return first(func() error { return q.aws.CreateObjectLambda(q.ctx(), n.Lambda, n.configuration()) },
				func() error {
					return q.aws.PutAccessPointPolicy(q.ctx(), n.Lambda, true, grant(n.role(n.functionRole()), "s3-object-lambda:GetObject", n.lambdaARN()))
				})
		},
		commands: func(n guideNames) []string {
			return []string{
				client.Command("s3control", "create-access-point-for-object-lambda", "--account-id", n.Account, "--name", n.Lambda, "--configuration",
					`{"SupportingAccessPoint":"`+n.pointARN()+`","TransformationConfigurations":[{"Actions":["GetObject"],"ContentTransformation":{"AwsLambda":{"FunctionArn":"`+n.functionARN()+`"}}}]}`),
				client.Command("s3control", "put-access-point-policy-for-object-lambda", "--account-id", n.Account, "--name", n.Lambda, "--policy", grant(n.role(n.functionRole()), "s3-object-lambda:GetObject", n.lambdaARN())),
			}
		},
		template: func(n guideNames) string {
			return "CleanPoint:\n  Type: AWS::S3ObjectLambda::AccessPoint\n  Properties:\n    Name: " + n.Lambda + "\n    ObjectLambdaConfiguration:\n      SupportingAccessPoint: !GetAtt PhotosPoint.Arn\n      TransformationConfigurations:\n        - Actions: [GetObject]\n          ContentTransformation:\n            AwsLambda: {FunctionArn: !GetAtt Clean.Arn}\n"
		},
	},
	{
		Id: "write", Title: "The right to answer", Why: "The function's role may send its answer back to whoever asked the Object Lambda access point.",
		state: func(q *request, n guideNames) bool {
			_, err := q.aws.GetInline(q.ctx(), client.OfRole, n.functionRole(), "write-response")
			return there(err)
		},
		do: func(q *request, n guideNames) error {
			return q.aws.PutInline(q.ctx(), client.OfRole, n.functionRole(), "write-response", allow("s3-object-lambda:WriteGetObjectResponse", n.lambdaARN()))
		},
		commands: func(n guideNames) []string {
			return []string{client.Command("iam", "put-role-policy", "--role-name", n.functionRole(), "--policy-name", "write-response", "--policy-document", allow("s3-object-lambda:WriteGetObjectResponse", n.lambdaARN()))}
		},
		template: func(guideNames) string {
			return "WriteResponse:\n  Type: AWS::IAM::Policy\n  Properties:\n    PolicyName: write-response\n    Roles: [!Ref CleanRole]\n    PolicyDocument:\n      Version: '2012-10-17'\n      Statement:\n        - {Effect: Allow, Action: 's3-object-lambda:WriteGetObjectResponse', Resource: !GetAtt CleanPoint.Arn}\n"
		},
	},
	{
		Id: "signer", Title: "The signer at the edge", Why: "Only signed requests are answered. This function signs what the edge asks; it lives in us-east-1 and runs in a numbered version.",
		Fields: []guideField{{"signer", "Signer", "Its role is called the same, with -role behind."}},
		state:  func(q *request, n guideNames) bool { return q.signerVersion(n) != "" },
		do: func(q *request, n guideNames) error {
			return first(func() error {
				return q.aws.CreateRole(q.ctx(), n.signerRole(), trustOf("lambda.amazonaws.com"), "Runs the signer at the edge")
			},
				func() error { return q.aws.Attach(q.ctx(), client.OfRole, n.signerRole(), basicExecution, false) },
				func() error {
					return q.inRegion("us-east-1", func(aws *client.Client) error {
						if err := made(aws.CreateFunction(q.ctx(), client.NewFunction{Name: n.Signer, Image: "glassine://signer", Role: n.role(n.signerRole()), Timeout: 5})); err != nil {
							return err
						}
						_, err := aws.PublishVersion(q.ctx(), n.Signer)
						return err
					})
				})
		},
		commands: func(n guideNames) []string {
			return []string{
				client.Command("iam", "create-role", "--role-name", n.signerRole(), "--assume-role-policy-document", trustOf("lambda.amazonaws.com")),
				client.Command("iam", "attach-role-policy", "--role-name", n.signerRole(), "--policy-arn", basicExecution),
				client.Command("lambda", "create-function", "--region", "us-east-1", "--function-name", n.Signer, "--role", n.role(n.signerRole()), "--package-type", "Image", "--code", "ImageUri=glassine://signer", "--timeout", "5"),
				client.Command("lambda", "publish-version", "--region", "us-east-1", "--function-name", n.Signer),
			}
		},
		template: func(n guideNames) string {
			return "SignerRole:\n  Type: AWS::IAM::Role\n  Properties:\n    RoleName: " + n.signerRole() + "\n    AssumeRolePolicyDocument:\n      Version: '2012-10-17'\n      Statement:\n        - {Effect: Allow, Principal: {Service: [lambda.amazonaws.com, edgelambda.amazonaws.com]}, Action: 'sts:AssumeRole'}\nSigner:\n  Type: AWS::Lambda::Function\n  Properties:\n    FunctionName: " + n.Signer + "\n    PackageType: Image\n    Code: {ImageUri: 'glassine://signer'}\n    Role: !GetAtt SignerRole.Arn\n    Timeout: 5\nSignerVersion:\n  Type: AWS::Lambda::Version\n  Properties: {FunctionName: !Ref Signer}\n"
		},
	},
	{
		Id: "rights", Title: "What the signer may do", Why: "The signer's role is who asks: it needs every right on the way to the original, and the edge must be allowed to assume it.",
		state: func(q *request, n guideNames) bool {
			if _, err := q.aws.GetInline(q.ctx(), client.OfRole, n.signerRole(), "edge-signer"); err != nil {
				return false
			}
			r, err := q.aws.GetRole(q.ctx(), n.signerRole())
			return err == nil && strings.Contains(r.Trust, "edgelambda.amazonaws.com")
		},
		do: func(q *request, n guideNames) error {
			return first(func() error {
				return q.aws.PutInline(q.ctx(), client.OfRole, n.signerRole(), "edge-signer", n.signerPolicy())
			},
				func() error {
					return q.aws.UpdateTrust(q.ctx(), n.signerRole(), trustOf("lambda.amazonaws.com", "edgelambda.amazonaws.com"))
				})
		},
		commands: func(n guideNames) []string {
			return []string{
				client.Command("iam", "put-role-policy", "--role-name", n.signerRole(), "--policy-name", "edge-signer", "--policy-document", n.signerPolicy()),
				client.Command("iam", "update-assume-role-policy", "--role-name", n.signerRole(), "--policy-document", trustOf("lambda.amazonaws.com", "edgelambda.amazonaws.com")),
			}
		},
		template: func(guideNames) string {
			return "SignerRights:\n  Type: AWS::IAM::Policy\n  Properties:\n    PolicyName: edge-signer\n    Roles: [!Ref SignerRole]\n    PolicyDocument:\n      Version: '2012-10-17'\n      Statement:\n        - {Effect: Allow, Action: 's3-object-lambda:GetObject', Resource: !GetAtt CleanPoint.Arn}\n        - {Effect: Allow, Action: 'lambda:InvokeFunction', Resource: !Sub '${Clean.Arn}:$LATEST'}\n        - {Effect: Allow, Action: 's3:GetObject', Resource: [!Sub '${PhotosPoint.Arn}/object/*', !Sub '${Photos.Arn}/*']}\n"
		},
	},
	{
		Id: "distribution", Title: "The distribution", Why: "What viewers open: HTTPS, a cache of a day, and showExif as the only parameter that counts.",
		Fields: []guideField{{"policy", "Cache policy", "Up to 128 letters, digits, hyphens and underscores."}},
		state: func(q *request, n guideNames) bool {
			all, err := q.aws.ListDistributions(q.ctx())
			return err == nil && slices.ContainsFunc(all, func(d client.Distribution) bool {
				return slices.ContainsFunc(d.Config.Origins, func(o client.Origin) bool { return o.DomainName == n.originDomain() })
			})
		},
		do:       func(q *request, n guideNames) error { return q.guideDistribution(n) },
		commands: func(n guideNames) []string { return n.distributionCommands() },
		template: func(n guideNames) string {
			return "PhotosPolicy:\n  Type: AWS::CloudFront::CachePolicy\n  Properties:\n    CachePolicyConfig:\n      Name: " + n.Policy + "\n      DefaultTTL: 86400\n      MaxTTL: 31536000\n      MinTTL: 1\n      ParametersInCacheKeyAndForwardedToOrigin:\n        EnableAcceptEncodingGzip: true\n        EnableAcceptEncodingBrotli: true\n        HeadersConfig: {HeaderBehavior: none}\n        CookiesConfig: {CookieBehavior: none}\n        QueryStringsConfig: {QueryStringBehavior: whitelist, QueryStrings: [showExif]}\nWorld:\n  Type: AWS::CloudFront::Distribution\n  Properties:\n    DistributionConfig:\n      Enabled: true\n      Origins:\n        - Id: object-lambda\n          DomainName: " + n.originDomain() + "\n          CustomOriginConfig: {OriginProtocolPolicy: https-only, OriginSSLProtocols: [TLSv1.2]}\n      DefaultCacheBehavior:\n        TargetOriginId: object-lambda\n        ViewerProtocolPolicy: redirect-to-https\n        Compress: true\n        CachePolicyId: !Ref PhotosPolicy\n        LambdaFunctionAssociations:\n          - {EventType: origin-request, LambdaFunctionARN: !Ref SignerVersion}\n"
		},
	},
}

// configuration has the function answer GetObject.
func (n guideNames) configuration() client.Configuration {
	return client.Configuration{SupportingAccessPoint: n.pointARN(), Transformations: []client.Transformation{{Actions: []string{"GetObject"}, ARN: n.functionARN()}}}
}

// signerVersion is the ARN of the signer's newest numbered version, or "".
func (q *request) signerVersion(n guideNames) (version string) {
	_ = q.inRegion("us-east-1", func(aws *client.Client) error { // what is not found is not there
		all, err := aws.ListVersions(q.ctx(), n.Signer)
		for _, v := range all {
			if v.Version != "$LATEST" {
				version = v.FunctionArn
			}
		}
		return err
	})
	return version
}

// guideDistribution makes the cache policy, unless it is there, and the distribution.
func (q *request) guideDistribution(n guideNames) error {
	signer := q.signerVersion(n)
	if signer == "" {
		return &asked{"The signer has no numbered version.", "The edge runs numbered versions only; take step 5 first.", ""}
	}
	policies, err := q.aws.ListCachePolicies(q.ctx())
	if err != nil {
		return err
	}
	id := ""
	for _, p := range policies {
		if p.Config.Name == n.Policy {
			id = p.Id
		}
	}
	if id == "" {
		if id, err = q.aws.CreateCachePolicy(q.ctx(), n.Policy, []string{"showExif"}); err != nil {
			return err
		}
	}
	_, err = q.aws.CreateDistribution(q.ctx(), client.NewDistribution{
		Comment: "Photographs of " + n.Bucket + " without metadata", OriginDomain: n.originDomain(), CachePolicyID: id, SignerARN: signer, Reference: q.c.reference(),
	})
	return err
}

func (n guideNames) distributionCommands() []string {
	return []string{
		"POLICY=$(" + client.Command("cloudfront", "create-cache-policy", "--query", "CachePolicy.Id", "--output", "text", "--cache-policy-config",
			`{"Name":"`+n.Policy+`","DefaultTTL":86400,"MaxTTL":31536000,"MinTTL":1,"ParametersInCacheKeyAndForwardedToOrigin":{"EnableAcceptEncodingGzip":true,"EnableAcceptEncodingBrotli":true,"HeadersConfig":{"HeaderBehavior":"none"},"CookiesConfig":{"CookieBehavior":"none"},"QueryStringsConfig":{"QueryStringBehavior":"whitelist","QueryStrings":{"Quantity":1,"Items":["showExif"]}}}}`) + ")",
		`aws cloudfront create-distribution --distribution-config '{"CallerReference":"` + n.Lambda + `","Comment":"","Enabled":true,"Origins":{"Quantity":1,"Items":[{"Id":"object-lambda","DomainName":"` + n.originDomain() + `","CustomOriginConfig":{"HTTPPort":80,"HTTPSPort":443,"OriginProtocolPolicy":"https-only","OriginSslProtocols":{"Quantity":1,"Items":["TLSv1.2"]}}}]},"DefaultCacheBehavior":{"TargetOriginId":"object-lambda","ViewerProtocolPolicy":"redirect-to-https","Compress":true,"CachePolicyId":"'$POLICY'","LambdaFunctionAssociations":{"Quantity":1,"Items":[{"LambdaFunctionARN":"` + n.signerARN() + `:1","EventType":"origin-request","IncludeBody":false}]}}}'`,
	}
}
