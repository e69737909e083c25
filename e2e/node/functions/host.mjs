// Serves a Lambda handler as a webhook: node host.mjs HANDLER.mjs ENDPOINT. It prints its URL, and ends with its standard
// input. The handler knows nothing of it: it finds credentials in the environment and AWS under AWS's own names.
import http from 'node:http';
import { pathToFileURL } from 'node:url';
import { route } from './route.mjs';

const [file, endpoint] = process.argv.slice(2);
route(endpoint);
const { handler } = await import(pathToFileURL(file));

http.createServer(async (req, res) => {
  const chunks = [];
  for await (const c of req) chunks.push(c);
  Object.assign(process.env, JSON.parse(Buffer.from(req.headers['glassine-function-credentials'], 'base64')));
  try {
    const result = await handler(JSON.parse(Buffer.concat(chunks)), { awsRequestId: req.headers['lambda-runtime-aws-request-id'] });
    res.end(JSON.stringify(result ?? null));
  } catch (e) {
    console.error(e);
    res.writeHead(500).end();
  }
}).listen(0, '127.0.0.1', function () {
  console.log(`http://127.0.0.1:${this.address().port}/`);
});
process.stdin.on('end', () => process.exit(0)).resume();
