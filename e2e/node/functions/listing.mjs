// Listings that show .jpg for every .png: the XML rewritten for ListObjects, a result of its own for ListObjectsV2.
import { original, text } from './read.mjs';

export async function handler(event) {
  const r = await original(event);
  const xml = await text(r);
  if (event.listObjectsContext) return { statusCode: r.statusCode, listResultXml: xml.replaceAll('.png</Key>', '.jpg</Key>') };
  const keys = [...xml.matchAll(/<Key>(.*?)<\/Key>/g)].map(m => m[1]);
  return {
    statusCode: 200,
    listBucketResult: {
      name: 'rewritten', prefix: new URL(event.userRequest.url).searchParams.get('prefix') ?? '', maxKeys: 1000, keyCount: keys.length, isTruncated: false,
      contents: keys.map(key => ({ key: key.replace(/\.png$/, '.jpg'), size: 1, lastModified: '2026-01-01T00:00:00.000Z', eTag: '"e"', storageClass: 'STANDARD' })),
    },
  };
}
