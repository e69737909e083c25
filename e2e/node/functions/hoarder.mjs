// Leaves its token where another function finds it, waits for that one, and then answers.
import { S3Client, PutObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { answer } from './read.mjs';

export async function handler(event) {
  const [s3, Bucket] = [new S3Client({}), event.configuration.payload];
  await s3.send(new PutObjectCommand({ Bucket, Key: 'token', Body: JSON.stringify(event.getObjectContext) }));
  while (!await s3.send(new HeadObjectCommand({ Bucket, Key: 'tried' })).then(() => true, () => false)) await new Promise(r => setTimeout(r, 20));
  await answer(event, { Body: 'mine' });
}
