// The console of a function: each call is one log event, whatever its lines, as text or as JSON. Events go to a descriptor
// of their own, framed: 4 bytes 0xa55a0003 with the level in its bits, 4 bytes of length, 8 bytes of microseconds, the
// message. (AWS Lambda Developer Guide, "Log and monitor Node.js Lambda functions"; frames as the official clients have them.)
import fs from 'node:fs';
import { formatWithOptions } from 'node:util';

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
let request; // the id of the event under way
let json = false;
let least = LEVELS.TRACE;
let write;

export function setRequest(id) {
  request = id;
}

export function installConsole(env) {
  json = env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
  if (json) least = LEVELS[env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.INFO;
  const fd = Number(env._LAMBDA_TELEMETRY_LOG_FD);
  delete env._LAMBDA_TELEMETRY_LOG_FD; // it is the runtime's, not the function's
  write = fd > 0 ? (level, text) => framed(fd, level, text) : (_, text) => fs.writeSync(1, text.replaceAll('\n', '\r') + '\n');
  for (const [method, level] of [['trace', 'TRACE'], ['debug', 'DEBUG'], ['info', 'INFO'], ['log', 'INFO'], ['warn', 'WARN'], ['error', 'ERROR'], ['fatal', 'FATAL']]) {
    console[method] = (...args) => log(level, args);
  }
}

function framed(fd, level, text) {
  const message = Buffer.from(text);
  const frame = Buffer.alloc(16 + message.length);
  frame.writeUInt32BE(((json ? 0xa55a0002 : 0xa55a0003) | (LEVELS[level] << 2)) >>> 0, 0);
  frame.writeUInt32BE(message.length, 4);
  frame.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  message.copy(frame, 16);
  for (let at = 0; at < frame.length; ) at += fs.writeSync(fd, frame, at);
}

function log(level, args) {
  if (LEVELS[level] < least) return;
  const time = new Date().toISOString();
  if (!json) {
    write(level, `${time}\t${request}\t${level}\t${formatWithOptions({}, ...args)}`);
    return;
  }
  const line = { timestamp: time, level, requestId: request };
  const only = args.length === 1 ? args[0] : undefined;
  if (only instanceof Error) Object.assign(line, { message: only.message, ...describe(only) });
  else if (only !== null && typeof only === 'object') line.message = only;
  else line.message = formatWithOptions({}, ...args);
  const failed = args.find((a) => a instanceof Error);
  if (failed && failed !== only) Object.assign(line, describe(failed));
  let text;
  try {
    text = JSON.stringify(line);
  } catch {
    text = JSON.stringify({ ...line, message: formatWithOptions({}, ...args) }); // it refers to itself
  }
  write(level, text);
}

function describe(e) {
  return { errorType: e.name ?? 'UnknownError', errorMessage: e.message, stackTrace: String(e.stack ?? '').split('\n') };
}

// logError writes what the runtime itself has to say of an error.
export function logError(title, e) {
  const { errorType, errorMessage, stackTrace } = e instanceof Error ? describe(e) : { errorType: typeof e, errorMessage: String(e), stackTrace: [] };
  if (json) {
    write('ERROR', JSON.stringify({ timestamp: new Date().toISOString(), level: 'ERROR', requestId: request, message: { errorType, errorMessage, stackTrace } }));
    return;
  }
  let own = {};
  try {
    own = JSON.parse(JSON.stringify(e && typeof e === 'object' ? { ...e, reason: undefined } : {}));
  } catch {
    // fields that refer to themselves are left out
  }
  write('ERROR', `${new Date().toISOString()}\t${request}\tERROR\t${title} \t${JSON.stringify({ errorType, errorMessage, ...own, stack: stackTrace })}`);
}
