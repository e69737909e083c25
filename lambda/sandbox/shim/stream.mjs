// The response stream of handlers that awslambda.streamifyResponse made: a writable whose bytes leave as they are written,
// in chunks, with a failure in mid-stream told behind the last one.
import { Writable } from 'node:stream';
import { errorHead } from './client.mjs';

const NEXT = 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n';

export class ResponseStream extends Writable {
  constructor(client, id) {
    super({ highWaterMark: 65536 });
    this.client = client;
    this.id = id;
    this.type = 'application/octet-stream';
    this.begun = false;
    this.begin = null; // what to write before the first byte
  }

  setContentType(type) {
    this.type = type;
  }

  open() {
    if (this.begun) return;
    this.begun = true;
    this.client.socket.write(
      `POST /2018-06-01/runtime/invocation/${this.id}/response HTTP/1.1\r\nHost: runtime\r\nContent-Type: ${this.type}\r\n` +
        'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n' +
        'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n');
    this.begin?.();
  }

  push(bytes, done) {
    const socket = this.client.socket;
    socket.cork();
    socket.write(bytes.length.toString(16) + '\r\n');
    socket.write(bytes);
    socket.write('\r\n', done);
    socket.uncork();
  }

  _write(chunk, encoding, done) {
    this.open();
    if (chunk.length === 0) return done();
    this.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk, done);
  }

  // complete waits until all is written, ends the response and asks for the next event.
  async complete() {
    if (!this.writableEnded) this.end();
    if (!this.writableFinished) await new Promise((resolve, reject) => this.once('finish', resolve).once('error', reject));
    this.open();
    return this.last('');
  }

  async fail(body, e) {
    if (!this.begun) return this.client.errorAndNext(this.id, body, e);
    return this.last(`${errorHead(e)}Lambda-Runtime-Function-Error-Body: ${Buffer.from(body).toString('base64')}\r\n`);
  }

  last(trailer) {
    this.client.socket.write(`0\r\n${trailer}\r\n${NEXT}`);
    this.client.expect().catch(() => {}); // whoever waits for the next event hears of it
    return this.client.expect();
  }
}
