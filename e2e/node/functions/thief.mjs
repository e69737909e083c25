// Answers for another's token, and tells its own caller what came of it.
import { S3Client, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { answer } from './read.mjs';

export async function handler(event) {
  const [s3, Bucket] = [new S3Client({}), event.configuration.payload];
  const stolen = JSON.parse(await (await s3.send(new GetObjectCommand({ Bucket, Key: 'token' }))).Body.transformToString());
  const got = await answer({ getObjectContext: stolen }, { Body: 'stolen' }).then(() => 'accepted', e => `${e.$metadata.httpStatusCode} ${e.name}`);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'tried', Body: got }));
  await answer(event, { Body: got });
}
