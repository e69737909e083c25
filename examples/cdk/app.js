// The reference solution "Modify images cached in Amazon CloudFront using Amazon S3 Object Lambda" as a CDK app: a private bucket behind
// an Object Lambda access point, a function that signs for it at the edge, and a distribution. Three stacks, because functions of the edge
// live in us-east-1 wherever the bucket is; the function's version travels through an SSM parameter.
import { App, CfnOutput, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import * as origins from 'aws-cdk-lib/aws-cloudfront-origins';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as objectlambda from 'aws-cdk-lib/aws-s3objectlambda';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { AwsCustomResource, AwsCustomResourcePolicy, PhysicalResourceId } from 'aws-cdk-lib/custom-resources';
import { fileURLToPath } from 'node:url';

const folder = (name) => fileURLToPath(new URL(name, import.meta.url));
const app = new App();
const region = process.env.CDK_DEPLOY_REGION ?? 'us-east-1';
const account = process.env.CDK_DEFAULT_ACCOUNT;
const name = 'photos';
const parameter = `/${name}/signer-version-arn`;

// The bucket, the function that makes the metadata go, and the two access points between them.
const storage = new Stack(app, `${name}-storage`, { env: { account, region } });
const bucket = new s3.Bucket(storage, 'Originals', {
  blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
  encryption: s3.BucketEncryption.S3_MANAGED,
  enforceSSL: true,
  removalPolicy: RemovalPolicy.DESTROY,
  autoDeleteObjects: true,
});
const transform = new NodejsFunction(storage, 'Transform', {
  entry: folder('transform/index.js'),
  runtime: lambda.Runtime.NODEJS_22_X,
  memorySize: 512,
  timeout: Duration.seconds(60),
  bundling: { format: OutputFormat.ESM, bundleAwsSDK: true, minify: true, mainFields: ['module', 'main'], banner: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
});
const pointName = `${name}-ap`;
const pointARN = storage.formatArn({ service: 's3', resource: 'accesspoint', resourceName: pointName });
const point = new s3.CfnAccessPoint(storage, 'AccessPoint', {
  name: pointName,
  bucket: bucket.bucketName,
  publicAccessBlockConfiguration: { blockPublicAcls: true, blockPublicPolicy: true, ignorePublicAcls: true, restrictPublicBuckets: true },
  policy: new iam.PolicyDocument({
    statements: [new iam.PolicyStatement({ principals: [new iam.ArnPrincipal(transform.role.roleArn)], actions: ['s3:GetObject'], resources: [`${pointARN}/object/*`] })],
  }),
});
const view = new objectlambda.CfnAccessPoint(storage, 'ObjectLambda', {
  name: `${name}-view`,
  objectLambdaConfiguration: {
    supportingAccessPoint: pointARN,
    transformationConfigurations: [{ actions: ['GetObject'], contentTransformation: { AwsLambda: { FunctionArn: transform.functionArn } } }],
  },
});
view.addResourceDependency(point);
transform.addToRolePolicy(new iam.PolicyStatement({
  actions: ['s3-object-lambda:WriteGetObjectResponse'],
  resources: [storage.formatArn({ service: 's3-object-lambda', resource: 'accesspoint', resourceName: `${name}-view` })],
}));
new CfnOutput(storage, 'BucketName', { value: bucket.bucketName });

// The signer.
const edge = new Stack(app, `${name}-edge`, { env: { account, region: 'us-east-1' } });
const signer = new lambda.Function(edge, 'Signer', {
  code: lambda.Code.fromAsset(folder('signer')),
  handler: 'edge_signer.handler',
  runtime: lambda.Runtime.PYTHON_3_11,
  role: new iam.Role(edge, 'SignerRole', {
    assumedBy: new iam.CompositePrincipal(new iam.ServicePrincipal('lambda.amazonaws.com'), new iam.ServicePrincipal('edgelambda.amazonaws.com')),
    managedPolicies: [iam.ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaBasicExecutionRole')],
  }),
});
for (const [service, resource, action] of [['s3-object-lambda', `accesspoint/${name}-view`, 's3-object-lambda:GetObject'], ['s3', `accesspoint/${pointName}`, 's3:GetObject'], ['s3', `accesspoint/${pointName}/object/*`, 's3:GetObject']]) {
  signer.addToRolePolicy(new iam.PolicyStatement({ actions: [action], resources: [`arn:${edge.partition}:${service}:${region}:${edge.account}:${resource}`] }));
}
signer.addToRolePolicy(new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: [`arn:${edge.partition}:s3:::${name}-storage-originals*/*`] }));
signer.addToRolePolicy(new iam.PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [`arn:${edge.partition}:lambda:${region}:${edge.account}:function:${name}-storage-Transform*`] }));
new ssm.StringParameter(edge, 'SignerVersion', { parameterName: parameter, stringValue: signer.currentVersion.functionArn });

// The distribution.
const cdn = new Stack(app, `${name}-cdn`, { env: { account, region } });
cdn.addStackDependency(storage);
cdn.addStackDependency(edge);
const read = { service: 'SSM', action: 'getParameter', parameters: { Name: parameter }, region: 'us-east-1', physicalResourceId: PhysicalResourceId.of(parameter) };
const version = new AwsCustomResource(cdn, 'SignerVersion', {
  onUpdate: read,
  policy: AwsCustomResourcePolicy.fromSdkCalls({ resources: [`arn:${cdn.partition}:ssm:us-east-1:${cdn.account}:parameter${parameter}`] }),
  installLatestAwsSdk: false,
}).getResponseField('Parameter.Value');
const distribution = new cloudfront.Distribution(cdn, 'Distribution', {
  comment: 'Photographs without metadata',
  defaultBehavior: {
    origin: new origins.HttpOrigin(`${name}-view-${cdn.account}.s3-object-lambda.${region}.amazonaws.com`, { originSslProtocols: [cloudfront.OriginSslPolicy.TLS_V1_2] }),
    viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
    cachePolicy: new cloudfront.CachePolicy(cdn, 'CachePolicy', {
      queryStringBehavior: cloudfront.CacheQueryStringBehavior.allowList('showExif'),
      enableAcceptEncodingBrotli: true,
      enableAcceptEncodingGzip: true,
    }),
    edgeLambdas: [{ eventType: cloudfront.LambdaEdgeEventType.ORIGIN_REQUEST, functionVersion: lambda.Version.fromVersionArn(cdn, 'Version', version) }],
  },
});
new CfnOutput(cdn, 'DomainName', { value: distribution.distributionDomainName });
