// The original as it is, with the SDK of May 2024, which sends Expect: 100-continue and x-id.
import https from 'node:https';
import { S3Client, WriteGetObjectResponseCommand } from 'client-s3-3-572';

export async function handler(event) {
  const { inputS3Url, outputRoute, outputToken } = event.getObjectContext;
  const original = await new Promise((resolve, reject) => https.get(inputS3Url, resolve).on('error', reject));
  await new S3Client({}).send(new WriteGetObjectResponseCommand({ RequestRoute: outputRoute, RequestToken: outputToken, Body: original, ContentType: 'text/plain' }));
}
