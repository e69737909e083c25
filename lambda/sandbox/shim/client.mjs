// A client of the Runtime API over one connection. An answer and the question for the next event leave in one write, which
// is what makes an invocation cheap; node:http would take several times as long.
import net from 'node:net';

const BASE = '/2018-06-01/runtime/';
const NEXT = `GET ${BASE}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n`;
const END = Buffer.from('\r\n\r\n');

export class Client {
  constructor(address) {
    const [host, port] = address.split(':');
    this.waiting = []; // who waits for an answer, in order
    this.held = null; // bytes that are no whole answer yet
    this.socket = net.connect({ host, port: Number(port), noDelay: true });
    this.connected = new Promise((resolve, reject) => {
      this.socket.once('connect', resolve);
      this.waiting.push({ reject });
    });
    this.socket.once('connect', () => this.waiting.shift());
    this.socket.on('data', (b) => this.take(b));
    this.socket.on('error', (e) => this.lose(e));
    this.socket.on('close', () => this.lose(new Error('connection closed')));
  }

  lose(e) {
    for (const w of this.waiting.splice(0)) w.reject(e);
  }

  // take cuts what arrives into answers: a head and a body of Content-Length bytes, which our server always gives.
  take(b) {
    b = this.held ? Buffer.concat([this.held, b]) : b;
    for (;;) {
      const end = b.indexOf(END);
      if (end < 0) break;
      const [first, ...fields] = b.latin1Slice(0, end).split('\r\n');
      const head = {};
      for (const f of fields) {
        const colon = f.indexOf(':');
        head[f.slice(0, colon).toLowerCase()] = f.slice(colon + 1).trim();
      }
      const length = Number(head['content-length'] ?? 0);
      if (b.length < end + 4 + length) break;
      const answer = { status: Number(first.split(' ')[1]), head, body: b.utf8Slice(end + 4, end + 4 + length) };
      b = b.subarray(end + 4 + length);
      this.waiting.shift()?.resolve(answer);
    }
    this.held = b.length > 0 ? b : null;
  }

  // expect waits for the next answer in order.
  expect() {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  next() {
    this.socket.write(NEXT);
    return this.expect();
  }

  post(path, body, more, after) {
    const head = `POST ${BASE}${path} HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n${more}`;
    // A long body goes out on its own: joining it would copy it once more.
    if (body.length < 65536) {
      this.socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}${after}`);
    } else {
      const bytes = Buffer.from(body);
      this.socket.cork();
      this.socket.write(`${head}Content-Length: ${bytes.length}\r\n\r\n`);
      this.socket.write(bytes);
      if (after) this.socket.write(after);
      this.socket.uncork();
    }
    return this.expect();
  }

  responseAndNext(id, body) {
    this.post(`invocation/${id}/response`, body, '', NEXT).catch(() => {}); // whoever waits for the next event hears of it
    return this.expect();
  }

  errorAndNext(id, body, e) {
    this.post(`invocation/${id}/error`, body, errorHead(e), NEXT).catch(() => {});
    return this.expect();
  }

  error(id, body, e) {
    return this.post(`invocation/${id}/error`, body, errorHead(e), '');
  }

  initError(body, e) {
    return this.post('init/error', body, errorHead(e), '');
  }
}

// errorHead is the type of an error for Lambda's log: one with a category of its own, or that there was an exception.
export function errorHead(e) {
  const name = typeof e?.name === 'string' && /^(Runtime|Function)\.[A-Za-z]+$/.test(e.name) ? e.name : 'Runtime.Exception';
  return `Lambda-Runtime-Function-Error-Type: ${name}\r\n`;
}
