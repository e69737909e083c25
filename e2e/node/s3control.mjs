// AWS's SDK for JavaScript against S3 Control: node s3control.mjs ENDPOINT ACCOUNT ACCESS-POINT-ARN. Any difference from what
// AWS does is an exception.
import assert from 'node:assert/strict';
import {
  S3ControlClient, CreateAccessPointForObjectLambdaCommand, GetAccessPointForObjectLambdaCommand, GetAccessPointCommand, DeleteAccessPointForObjectLambdaCommand,
  GetAccessPointPolicyForObjectLambdaCommand, PutAccessPointConfigurationForObjectLambdaCommand, ListAccessPointsForObjectLambdaCommand,
} from '@aws-sdk/client-s3-control';
import { route } from './functions/route.mjs';

const [endpoint, AccountId, SupportingAccessPoint] = process.argv.slice(2);
route(endpoint);
const client = new S3ControlClient({ region: 'us-east-1' });
const send = command => client.send(command);
const code = async promise => promise.then(() => '', e => `${e.$metadata.httpStatusCode} ${e.name}`);
const Name = 'by-js';
const configuration = Actions => ({
  SupportingAccessPoint, AllowedFeatures: ['GetObject-Range'],
  TransformationConfigurations: [{ Actions, ContentTransformation: { AwsLambda: { FunctionArn: `arn:aws:lambda:us-east-1:${AccountId}:function:glassine-image`, FunctionPayload: '{"k":1}' } } }],
});

const made = await send(new CreateAccessPointForObjectLambdaCommand({ AccountId, Name, Configuration: configuration(['GetObject']) }));
assert.match(made.Alias.Value, /--ol-s3$/);
assert.equal(made.Alias.Status, 'READY');
await send(new PutAccessPointConfigurationForObjectLambdaCommand({ AccountId, Name, Configuration: configuration(['HeadObject', 'ListObjectsV2']) }));
const got = await send(new GetAccessPointForObjectLambdaCommand({ AccountId, Name }));
assert.equal(got.PublicAccessBlockConfiguration.RestrictPublicBuckets, true);
assert.ok((await send(new ListAccessPointsForObjectLambdaCommand({ AccountId }))).ObjectLambdaAccessPointList.some(p => p.Name === Name));
assert.equal(await code(send(new CreateAccessPointForObjectLambdaCommand({ AccountId, Name, Configuration: configuration(['GetObject']) }))), '409 AccessPointAlreadyOwnedByYou');
assert.equal(await code(send(new PutAccessPointConfigurationForObjectLambdaCommand({ AccountId, Name, Configuration: configuration(['PutObject']) }))), '400 InvalidRequest');
assert.equal(await code(send(new GetAccessPointCommand({ AccountId, Name: 'absent' }))), '404 NoSuchAccessPoint');
assert.equal(await code(send(new GetAccessPointPolicyForObjectLambdaCommand({ AccountId, Name }))), '404 NoSuchAccessPointPolicy');
await send(new DeleteAccessPointForObjectLambdaCommand({ AccountId, Name }));
console.log('done');
