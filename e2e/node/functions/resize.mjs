// A transform as people wrote it for AWS: the original by axios, resized by sharp, answered with the SDK; showExif=true answers
// what sharp says of the picture.
import axios from 'axios';
import sharp from 'sharp';
import { S3Client, WriteGetObjectResponseCommand } from '@aws-sdk/client-s3';

const s3 = new S3Client();

export async function handler(event) {
  const { inputS3Url, outputRoute, outputToken } = event.getObjectContext;
  const params = new URL(event.userRequest.url).searchParams;
  const { data } = await axios.get(inputS3Url, { responseType: 'arraybuffer' });
  const picture = sharp(data);
  let [Body, ContentType] = [await picture.resize({ width: Number(params.get('width') ?? 200) }).jpeg().toBuffer(), 'image/jpeg'];
  if (params.get('showExif') === 'true') [Body, ContentType] = [JSON.stringify({ exif: Boolean((await sharp(data).metadata()).exif) }), 'application/json'];
  await s3.send(new WriteGetObjectResponseCommand({ RequestRoute: outputRoute, RequestToken: outputToken, Body, ContentType }));
  return { statusCode: 200 };
}
