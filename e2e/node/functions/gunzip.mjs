// A compressed original, unpacked on its way: nobody knows its length before its end.
import zlib from 'node:zlib';
import { original, answer } from './read.mjs';

export async function handler(event) {
  const r = await original(event);
  await answer(event, { Body: r.pipe(zlib.createGunzip()), ContentType: 'application/octet-stream' });
}
