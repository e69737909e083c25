// AWS's SDK for JavaScript against an Object Lambda access point: node objectlambda.mjs ENDPOINT BUCKET, where BUCKET is its
// ARN or its alias. The point answers GET with the original, HEAD with twice its length, and listings with .jpg for .png.
// Any difference from what S3 does is an exception.
import assert from 'node:assert/strict';
import https from 'node:https';
import {
  S3Client, GetObjectCommand, HeadObjectCommand, ListObjectsCommand, ListObjectsV2Command, PutObjectCommand, DeleteObjectCommand, CopyObjectCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { route } from './functions/route.mjs';

const [endpoint, Bucket] = process.argv.slice(2);
route(endpoint);
const client = new S3Client({ region: 'us-east-1' });
const send = command => client.send(command);
const code = async promise => promise.then(() => '', e => `${e.$metadata.httpStatusCode} ${e.name}`);

const got = await send(new GetObjectCommand({ Bucket, Key: 'dir/a b.txt' }));
assert.equal(await got.Body.transformToString(), 'a text');
const part = await send(new GetObjectCommand({ Bucket, Key: 'dir/a b.txt', Range: 'bytes=2-5' }));
assert.equal(part.$metadata.httpStatusCode, 206);
assert.equal(part.ContentRange, 'bytes 2-5/6');
assert.equal(await part.Body.transformToString(), 'text');
assert.equal((await send(new HeadObjectCommand({ Bucket, Key: 'dir/a b.txt' }))).ContentLength, 12);
assert.equal(await code(send(new HeadObjectCommand({ Bucket, Key: 'absent' }))), '404 NotFound');
assert.equal(await code(send(new HeadObjectCommand({ Bucket, Key: 'dir/a b.txt', Range: 'bytes=0-1' }))), '501 Unknown');
for (const list of [new ListObjectsCommand({ Bucket, Prefix: 'album/' }), new ListObjectsV2Command({ Bucket, Prefix: 'album/' })]) {
  assert.deepEqual((await send(list)).Contents.map(o => o.Key), ['album/one.jpg']);
}

const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'dir/a b.txt' }), { expiresIn: 60 });
const body = await new Promise((resolve, reject) => https.get(url, async r => {
  let s = '';
  for await (const c of r) s += c;
  resolve(`${r.statusCode} ${s}`);
}).on('error', reject));
assert.equal(body, '200 a text');

// What is not transformed goes to the access point.
await send(new PutObjectCommand({ Bucket, Key: 'js/put', Body: 'put', Metadata: { album: 'summer' } }));
assert.equal(await (await send(new GetObjectCommand({ Bucket, Key: 'js/put' }))).Body.transformToString(), 'put');
const large = await new Upload({ client, params: { Bucket, Key: 'js/large', Body: Buffer.alloc(11 << 20, 'x') }, partSize: 5 << 20 }).done();
assert.match(large.ETag, /-3"$/);
await send(new DeleteObjectCommand({ Bucket, Key: 'js/put' }));
await send(new DeleteObjectCommand({ Bucket, Key: 'js/large' }));
assert.equal(await code(send(new CopyObjectCommand({ Bucket, Key: 'js/copy', CopySource: `${Bucket}/object/dir/a b.txt` }))), '501 NotImplemented');
console.log('done');
