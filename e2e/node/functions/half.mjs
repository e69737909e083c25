// Fails after half of the body.
import { Readable } from 'node:stream';
import { answer } from './read.mjs';

export async function handler(event) {
  const body = Readable.from((async function* () {
    yield Buffer.alloc(100000, 'x');
    await new Promise(r => setTimeout(r, 100));
    throw new Error('the disk is gone');
  })());
  await answer(event, { Body: body });
}
