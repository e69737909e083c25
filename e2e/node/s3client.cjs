// AWS's SDK for JavaScript against a bucket: node s3client.cjs ENDPOINT BUCKET. Credentials come from the environment.
// Any difference from what S3 does is an exception.
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { Readable } = require('node:stream');
const {
  S3Client, PutObjectCommand, GetObjectCommand, HeadObjectCommand, CopyObjectCommand, DeleteObjectsCommand, ListObjectsV2Command, ListObjectVersionsCommand,
  PutBucketVersioningCommand, DeleteObjectCommand, GetObjectAttributesCommand, GetObjectTaggingCommand, PutBucketCorsCommand, CreateBucketCommand, paginateListObjectsV2,
} = require('@aws-sdk/client-s3');
const { Upload } = require('@aws-sdk/lib-storage');
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner');
const { createPresignedPost } = require('@aws-sdk/s3-presigned-post');

const [endpoint, Bucket] = process.argv.slice(2);
const client = new S3Client({ endpoint, region: 'us-east-1' });
const send = command => client.send(command);
const code = async promise => promise.then(() => '', e => e.name);

// Keys that clients and servers like to spoil.
const odd = ['a//b', 'a/../b', './k', 'sp ace+plus%25&=?#', 'ünï/日本.txt', 'trailing/', "it's (a) *key*!", 'x'.repeat(1024)];

async function bodies() {
  for (const Key of odd) {
    await send(new PutObjectCommand({ Bucket, Key, Body: Key, Metadata: { Album: 'summer' } }));
    const got = await send(new GetObjectCommand({ Bucket, Key })); // the SDK asks for the checksum and compares it
    assert.equal(await got.Body.transformToString(), Key);
    assert.equal(got.Metadata.album, 'summer');
    assert.equal(await (await send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=1-2' }))).Body.transformToString(), Buffer.from(Key).subarray(1, 3).toString());
    assert.ok(got.ChecksumCRC32, 'a checksum by default');
  }
  const keys = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 3 }, { Bucket, EncodingType: 'url' })) {
    keys.push(...(page.Contents ?? []).map(o => decodeURIComponent(o.Key.replaceAll('+', ' '))));
  }
  assert.deepEqual(new Set(keys.filter(k => odd.includes(k))), new Set(odd));

  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256']) { // CRC64NVME needs a package of native code
    await send(new PutObjectCommand({ Bucket, Key: 'sum', Body: 'body', ChecksumAlgorithm }));
    const head = await send(new HeadObjectCommand({ Bucket, Key: 'sum', ChecksumMode: 'ENABLED' }));
    assert.ok(head['Checksum' + ChecksumAlgorithm], ChecksumAlgorithm);
    assert.equal(head.ChecksumType, 'FULL_OBJECT');
  }
  const stream = Readable.from([Buffer.alloc(70000, 1), Buffer.alloc(70000, 2)]);
  await send(new PutObjectCommand({ Bucket, Key: 'stream', Body: stream, ContentLength: 140000 }));
  assert.equal((await send(new HeadObjectCommand({ Bucket, Key: 'stream' }))).ContentLength, 140000);
  assert.equal(await code(send(new PutObjectCommand({ Bucket, Key: 'bad', Body: 'body', ChecksumCRC32: 'AAAAAA==' }))), 'BadDigest');
  assert.equal(await code(send(new PutObjectCommand({ Bucket, Key: 'sum', Body: 'x', IfNoneMatch: '*' }))), 'PreconditionFailed');
  assert.equal(await code(send(new GetObjectCommand({ Bucket, Key: 'absent' }))), 'NoSuchKey');
  assert.equal(await code(send(new HeadObjectCommand({ Bucket, Key: 'absent' }))), 'NotFound');
}

async function uploads() {
  const body = crypto.randomBytes(64 << 20);
  const done = await new Upload({ client, params: { Bucket, Key: 'large', Body: Readable.from(chunks(body)), ContentType: 'image/x' }, partSize: 24 << 20, queueSize: 3 }).done();
  assert.match(done.ETag, /-3"$/);
  const got = await send(new GetObjectCommand({ Bucket, Key: 'large' }));
  assert.equal(Buffer.compare(Buffer.from(await got.Body.transformToByteArray()), body), 0);
  assert.equal(got.ContentType, 'image/x');
  const part = await send(new GetObjectCommand({ Bucket, Key: 'large', PartNumber: 3 }));
  assert.equal(part.PartsCount, 3);
  assert.equal((await part.Body.transformToByteArray()).length, 16 << 20);
  const attributes = await send(new GetObjectAttributesCommand({ Bucket, Key: 'large', ObjectAttributes: ['Checksum', 'ObjectParts', 'ObjectSize'] }));
  assert.equal(attributes.ObjectSize, 64 << 20);
  assert.equal(attributes.ObjectParts.TotalPartsCount, 3);
  const copied = await send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/large`, Tagging: 'a=b', TaggingDirective: 'REPLACE' }));
  assert.equal(copied.CopyObjectResult.ETag, done.ETag);
  assert.deepEqual((await send(new GetObjectTaggingCommand({ Bucket, Key: 'copy' }))).TagSet, [{ Key: 'a', Value: 'b' }]);
}

function* chunks(body) {
  for (let i = 0; i < body.length; i += 100000) yield body.subarray(i, i + 100000);
}

async function versions() {
  const own = Bucket + '-versions';
  await send(new CreateBucketCommand({ Bucket: own }));
  await send(new PutBucketVersioningCommand({ Bucket: own, VersioningConfiguration: { Status: 'Enabled' } }));
  const first = await send(new PutObjectCommand({ Bucket: own, Key: 'k', Body: 'first' }));
  await send(new PutObjectCommand({ Bucket: own, Key: 'k', Body: 'second' }));
  const deleted = await send(new DeleteObjectCommand({ Bucket: own, Key: 'k' }));
  assert.equal(deleted.DeleteMarker, true);
  assert.equal(await code(send(new GetObjectCommand({ Bucket: own, Key: 'k' }))), 'NoSuchKey');
  assert.equal(await code(send(new GetObjectCommand({ Bucket: own, Key: 'k', VersionId: deleted.VersionId }))), 'MethodNotAllowed');
  const old = await send(new GetObjectCommand({ Bucket: own, Key: 'k', VersionId: first.VersionId }));
  assert.equal(await old.Body.transformToString(), 'first');
  const list = await send(new ListObjectVersionsCommand({ Bucket: own }));
  assert.equal(list.Versions.length, 2);
  assert.equal(list.DeleteMarkers.length, 1);
  const all = [...list.Versions, ...list.DeleteMarkers].map(({ Key, VersionId }) => ({ Key, VersionId }));
  const gone = await send(new DeleteObjectsCommand({ Bucket: own, Delete: { Objects: all } }));
  assert.equal(gone.Deleted.length, 3);
  assert.equal((await send(new ListObjectVersionsCommand({ Bucket: own }))).Versions, undefined);
}

async function presigned() {
  const put = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'signed', ContentType: 'text/plain', Metadata: { album: 'summer' } }), { expiresIn: 60 });
  let resp = await fetch(put, { method: 'PUT', body: 'xyz', headers: { 'content-type': 'text/plain' } });
  assert.equal(resp.status, 200, await resp.text());
  const get = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'signed' }), { expiresIn: 60 });
  resp = await fetch(get);
  assert.equal(await resp.text(), 'xyz');
  for (const Key of odd.filter(k => !k.includes('./'))) assert.equal( // fetch drops dot segments (WHATWG URL)
    await (await fetch(await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 }))).text(), Key);
  assert.equal(resp.headers.get('x-amz-meta-album'), 'summer');

  const { url, fields } = await createPresignedPost(client, { Bucket, Key: 'form/${filename}', Conditions: [['content-length-range', 1, 10]], Expires: 60 });
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('file', new Blob(['a file']), 'f.txt');
  resp = await fetch(url, { method: 'POST', body: form });
  assert.equal(resp.status, 204, await resp.text());
  assert.equal(await (await send(new GetObjectCommand({ Bucket, Key: 'form/f.txt' }))).Body.transformToString(), 'a file');

  await send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [{ AllowedOrigins: ['https://app.example'], AllowedMethods: ['GET'], AllowedHeaders: ['*'] }] } }));
  resp = await fetch(get, { headers: { origin: 'https://app.example' } });
  assert.equal(resp.headers.get('access-control-allow-origin'), 'https://app.example');
  await resp.arrayBuffer();
}

async function many() {
  const keys = Array.from({ length: 120 }, (_, i) => `many/${i}`);
  await Promise.all(keys.map(Key => send(new PutObjectCommand({ Bucket, Key, Body: Key }))));
  const out = await send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map(Key => ({ Key })), Quiet: true } }));
  assert.equal(out.Errors, undefined);
  assert.equal((await send(new ListObjectsV2Command({ Bucket, Prefix: 'many/' }))).KeyCount, 0);
}

async function main() {
  for (const part of [bodies, uploads, versions, presigned, many]) {
    await part();
    console.log(part.name);
  }
}
main().catch(e => { console.error(e); process.exit(1) });
