// What the handlers here have in common.
import https from 'node:https';
import { S3Client, WriteGetObjectResponseCommand } from '@aws-sdk/client-s3';

// original opens what the caller asked for, as a stream.
export const original = (event, headers = {}, method = 'GET') => new Promise((resolve, reject) => {
  const context = event.getObjectContext ?? event.headObjectContext ?? event.listObjectsContext ?? event.listObjectsV2Context;
  https.request(context.inputS3Url, { method, headers }, resolve).on('error', reject).end();
});

export async function text(stream) {
  let s = '';
  for await (const c of stream) s += c;
  return s;
}

// answer writes the answer to GetObject.
export const answer = (event, fields) => new S3Client({}).send(new WriteGetObjectResponseCommand({
  RequestRoute: event.getObjectContext.outputRoute, RequestToken: event.getObjectContext.outputToken, ...fields,
}));
