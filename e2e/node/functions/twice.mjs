// Answers twice. What the second attempt got goes into an object, for the test to read.
import { S3Client, PutObjectCommand } from '@aws-sdk/client-s3';
import { answer } from './read.mjs';

export async function handler(event) {
  await answer(event, { Body: 'first' });
  const second = await answer(event, { Body: 'second' }).then(() => 'accepted', e => `${e.$metadata.httpStatusCode} ${e.name}`);
  await new S3Client({}).send(new PutObjectCommand({ Bucket: event.configuration.payload, Key: 'second-answer', Body: second }));
}
