// The runtime of Node.js functions: loads the handler, asks the Runtime API for events, runs them one after the other.
// (AWS Lambda Developer Guide, "Building Lambda functions with Node.js", "Using the Lambda runtime API".)
import { Client } from './client.mjs';
import { installConsole, logError, setRequest } from './console.mjs';
import { load } from './loader.mjs';

const env = process.env;
const client = new Client(env.AWS_LAMBDA_RUNTIME_API);
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

installConsole(env);
globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = 'response';
    handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = options?.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    // A JSON prelude, 8 NUL bytes, then the body.
    from(stream, prelude) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.begin = () => stream.push(Buffer.concat([Buffer.from(JSON.stringify(prelude)), Buffer.alloc(8)]));
      return stream;
    },
  },
};

// errorOf is what an invoker reads of an error.
function errorOf(e) {
  if (e instanceof Error || (e && typeof e === 'object' && 'name' in e && 'message' in e && 'stack' in e)) {
    return { errorType: e.name, errorMessage: e.message, trace: String(e.stack ?? '').split('\n') };
  }
  return { errorType: typeof e, errorMessage: String(e), trace: [] };
}

// now is the event under way: { id, finish }, or null.
let now = null;

// dying reports an error that the process cannot go on after.
function dying(title, e, code) {
  logError(title, e);
  const body = JSON.stringify(errorOf(e));
  const sent = now && !now.finished ? client.error(now.id, body, e) : client.initError(body, e);
  now = null;
  client.socket.ref();
  sent.then(() => process.exit(code), () => process.exit(code));
}

process.on('uncaughtException', (e) => dying('Uncaught Exception', e, 129));
process.on('unhandledRejection', (reason) => {
  const e = new Error(String(reason instanceof Error ? `${reason.name}: ${reason.message}` : reason));
  e.name = 'Runtime.UnhandledPromiseRejection';
  e.reason = reason;
  dying('Unhandled Promise Rejection', e, 128);
});

// The socket does not hold the event loop while a handler runs, so that an empty loop ends what waits for one.
process.on('beforeExit', () => now?.loopEmpty());

class Invocation {
  constructor(head, body) {
    this.id = head['lambda-runtime-aws-request-id'];
    this.head = head;
    this.body = body;
    this.finished = false;
    this.waitsForLoop = true; // callbackWaitsForEmptyEventLoop
    this.pending = null; // a result that waits for an empty loop
    this.isAsync = false;
  }

  finish(e, result) {
    if (this.finished) return;
    this.finished = true;
    let body;
    if (e === null) {
      try {
        body = JSON.stringify(result === undefined ? null : result) ?? 'null';
      } catch (cause) {
        e = new Error('Unable to stringify response body: ' + cause.message);
        e.name = 'Runtime.MarshalError';
      }
    }
    if (e !== null) logError('Invoke Error', e);
    iterate(e === null ? client.responseAndNext(this.id, body) : client.errorAndNext(this.id, JSON.stringify(errorOf(e)), e));
  }

  // later is for what a callback says: it counts at once, and goes out when nothing is left to do.
  later(e, result) {
    if (this.finished || this.pending) return;
    this.pending = () => this.finish(e, result);
    if (!this.waitsForLoop || e !== null) setImmediate(this.pending);
  }

  loopEmpty() {
    if (this.finished) return;
    if (this.pending) return this.pending();
    if (!this.isAsync) return this.finish(null, null);
    const e = new Error('The handler returned a promise that was never settled, and nothing is left to do.');
    e.name = 'Runtime.NodeJsExit';
    this.finish(e);
  }

  context() {
    const deadline = Number(this.head['lambda-runtime-deadline-ms']);
    const json = (name) => (this.head[name] ? JSON.parse(this.head[name]) : undefined);
    const self = this;
    return {
      get callbackWaitsForEmptyEventLoop() {
        return self.waitsForLoop;
      },
      set callbackWaitsForEmptyEventLoop(yes) {
        self.waitsForLoop = Boolean(yes);
      },
      functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
      functionName: env.AWS_LAMBDA_FUNCTION_NAME,
      memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: json('lambda-runtime-client-context'),
      identity: json('lambda-runtime-cognito-identity'),
      invokedFunctionArn: this.head['lambda-runtime-invoked-function-arn'],
      awsRequestId: this.id,
      getRemainingTimeInMillis: () => deadline - Date.now(),
      succeed: (result) => this.later(null, result),
      fail: (e) => this.later(e ?? new Error('handled'), null),
      done: (e, result) => this.later(e ?? null, result),
    };
  }
}

// iterate takes the next event when it comes.
function iterate(promise) {
  now = null;
  client.socket.ref();
  promise.then(({ head, body }) => {
    client.socket.unref();
    run(new Invocation(head, body));
  }, (e) => {
    process.stderr.write('Runtime API: ' + e.message + '\n');
    process.exit(1);
  });
}

async function run(invocation) {
  now = invocation;
  setRequest(invocation.id);
  const trace = invocation.head['lambda-runtime-trace-id'];
  if (trace) env._X_AMZN_TRACE_ID = trace;
  else delete env._X_AMZN_TRACE_ID;
  try {
    const event = JSON.parse(invocation.body);
    if (handler[STREAMING]) return await stream(invocation, event);
    const result = handler(event, invocation.context(), (e, value) => invocation.later(e ?? null, value));
    if (typeof result?.then === 'function') {
      invocation.isAsync = true;
      result.then((value) => invocation.finish(null, value), (e) => invocation.finish(e === undefined || e === null ? new Error(String(e)) : e));
    }
  } catch (e) {
    invocation.finish(e ?? new Error(String(e)));
  }
}

async function stream(invocation, event) {
  const { ResponseStream } = await import('./stream.mjs');
  const out = new ResponseStream(client, invocation.id);
  invocation.isAsync = true;
  invocation.finish = (e) => {
    if (invocation.finished) return;
    invocation.finished = true;
    if (e) logError('Invoke Error', e);
    iterate(e ? out.fail(JSON.stringify(errorOf(e)), e) : out.complete());
  };
  out.on('error', (e) => invocation.finish(e));
  try {
    await handler(event, out, invocation.context());
    invocation.finish(null);
  } catch (e) {
    invocation.finish(e ?? new Error(String(e)));
  }
}

let handler;
try {
  if (env.GLASSINE_AWS_PORT) (await import('./names.mjs')).install(Number(env.GLASSINE_AWS_PORT));
  [handler] = await Promise.all([load(env.LAMBDA_TASK_ROOT, env._HANDLER), client.connected]);
  iterate(client.next());
} catch (e) {
  dying('Uncaught Exception', e, 1);
}
