// Answers 304 and 404 by itself: it copies the caller's condition to the original, and makes an error of what is missing.
import { original, answer, text } from './read.mjs';

export async function handler(event) {
  const condition = event.userRequest.headers['If-None-Match'];
  const r = await original(event, condition ? { 'If-None-Match': condition } : {});
  switch (r.statusCode) {
    case 200:
      return answer(event, { Body: await text(r), ETag: r.headers.etag });
    case 304:
      return answer(event, { StatusCode: 304, ETag: r.headers.etag });
    case 404:
      return answer(event, { StatusCode: 404, ErrorCode: 'NoSuchPhoto', ErrorMessage: 'This photo <was> deleted & is gone.' });
  }
  return answer(event, { StatusCode: 500, ErrorMessage: await text(r) });
}
