// An Object Lambda function: a JPEG without its metadata, or its EXIF as JSON when the viewer asks with showExif=true. What is no JPEG is
// an error. Colors and the way up stay: the ICC profile is kept, and so is the orientation, alone in an Exif block of its own.
import { S3Client, WriteGetObjectResponseCommand } from '@aws-sdk/client-s3';
import exifReader from 'exif-reader';

const s3 = new S3Client({});

export async function handler(event) {
  const { inputS3Url, outputRoute, outputToken } = event.getObjectContext;
  const answer = (fields) => s3.send(new WriteGetObjectResponseCommand({ RequestRoute: outputRoute, RequestToken: outputToken, ...fields }));

  const original = await fetch(inputS3Url);
  const body = Buffer.from(await original.arrayBuffer());
  if (!original.ok) {
    return answer({ StatusCode: original.status, ErrorCode: 'NoOriginal', ErrorMessage: 'The original could not be read.' });
  }
  const picture = readJPEG(body);
  if (!picture) {
    return answer({ StatusCode: 400, ErrorCode: 'UnsupportedFormat', ErrorMessage: 'The object is no JPEG.' });
  }
  const exif = picture.exif ? exifReader(picture.exif) : {};
  if (new URL(event.userRequest.url).searchParams.get('showExif') === 'true') {
    return answer({ StatusCode: 200, ContentType: 'application/json', Body: JSON.stringify(exif) });
  }
  const kept = [body.subarray(0, 2), ...turned(exif.Image?.Orientation), ...picture.kept];
  return answer({ StatusCode: 200, ContentType: 'image/jpeg', Body: Buffer.concat(kept) });
}

// readJPEG returns what to keep of a JPEG after its first marker, and its Exif block; undefined when it is none.
// ITU-T T.81, B.1: segments of a marker and a length up to the scan, which goes on to the end.
function readJPEG(b) {
  if (b.length < 4 || b.readUInt16BE(0) !== 0xffd8) return undefined;
  const kept = [];
  let exif;
  for (let at = 2; at + 4 <= b.length && b[at] === 0xff;) {
    const marker = b[at + 1];
    const segment = b.subarray(at, at + 2 + b.readUInt16BE(at + 2));
    const is = (name) => segment.subarray(4).indexOf(name, 0, 'latin1') === 0;
    if (marker === 0xda) {
      return { kept: [...kept, b.subarray(at)], exif };
    }
    if (marker === 0xe1 && is('Exif\0\0')) exif ??= segment.subarray(4);
    const application = marker >= 0xe0 && marker <= 0xef || marker === 0xfe;
    if (!application || is('JFIF\0') || is('ICC_PROFILE\0') || is('Adobe')) kept.push(segment);
    at += segment.length;
  }
  return undefined;
}

// turned is an Exif block with the orientation alone, for a picture that does not stand upright. Exif 3.0, 4.5 and 4.6.5.
function turned(orientation) {
  if (!(orientation > 1 && orientation <= 8)) return [];
  const b = Buffer.from('ffe10022' + '457869660000' + '4d4d002a00000008' + '0001' + '0112' + '0003' + '00000001' + '00000000' + '00000000', 'hex');
  b.writeUInt16BE(orientation, 28);
  return [b];
}
