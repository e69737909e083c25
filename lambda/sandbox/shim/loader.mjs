// Finds the handler: [dir/]module.property.path, where the module ends at the first dot of the last part.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

function failure(name, message, cause) {
  const e = new Error(message);
  e.name = 'Runtime.' + name;
  if (cause?.stack) e.stack = cause.stack;
  return e;
}

export async function load(root, name = '') {
  if (name.includes('..')) throw failure('MalformedHandlerName', `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const dir = path.dirname(name);
  const match = /^([^.]*)\.(.+)$/.exec(path.basename(name));
  if (!match) throw failure('MalformedHandlerName', 'Bad handler');
  const [, module, property] = match;
  let loaded;
  try {
    loaded = await loadModule(root, path.join(dir, module));
  } catch (e) {
    if (e instanceof SyntaxError) throw failure('UserCodeSyntaxError', e.toString(), e);
    if (e?.code === 'MODULE_NOT_FOUND' || e?.code === 'ERR_MODULE_NOT_FOUND') throw failure('ImportModuleError', hint(String(e)), e);
    throw e;
  }
  const found = property.split('.').reduce((o, p) => o?.[p], loaded) ?? property.split('.').reduce((o, p) => o?.[p], loaded?.default);
  if (found === undefined) throw failure('HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof found !== 'function') throw failure('HandlerNotFound', `${name} is not a function`);
  return found;
}

async function loadModule(root, module) {
  const require = createRequire(path.join(root, '/'));
  const file = path.resolve(root, module);
  if (isFile(file)) return require(file);
  if (isFile(file + '.js')) return isModule(root, file) ? import(pathToFileURL(file + '.js')) : require(file + '.js');
  if (isFile(file + '.mjs')) return import(pathToFileURL(file + '.mjs'));
  if (isFile(file + '.cjs')) return require(file + '.cjs');
  return require(require.resolve(module, { paths: [root, path.dirname(file)] }));
}

function isFile(name) {
  return fs.statSync(name, { throwIfNoEntry: false })?.isFile() ?? false;
}

// isModule asks the nearest package.json of the function.
function isModule(root, file) {
  for (let dir = path.dirname(file); dir.startsWith(root); dir = path.dirname(dir)) {
    const name = path.join(dir, 'package.json');
    if (isFile(name)) return JSON.parse(fs.readFileSync(name, 'utf8')).type === 'module';
  }
  return false;
}

function hint(message) {
  if (!/['"]@aws-sdk\/|['"]@smithy\/|['"]aws-sdk['"/]/.test(message)) return message;
  return message + "\nAWS's Node.js runtimes bundle the AWS SDK; here it has to be in the function's zip or in a layer.";
}
