// The original as it is, streamed; a range goes on to it. Clients write the header's name in their own case.
import { original, answer } from './read.mjs';

export async function handler(event) {
  const range = Object.entries(event.userRequest.headers).find(([name]) => name.toLowerCase() === 'range')?.[1];
  const r = await original(event, range ? { Range: range } : {});
  await answer(event, {
    StatusCode: r.statusCode, Body: r, ContentLength: Number(r.headers['content-length']), ContentType: r.headers['content-type'], ContentRange: r.headers['content-range'],
  });
}
