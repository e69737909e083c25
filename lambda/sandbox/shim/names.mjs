// Where a function shares the machine's network, AWS's names would lead to AWS. This takes them, and the labels that SDKs
// put before an endpoint's address, to the port where the AWS endpoint listens for this function.
import dns from 'node:dns';
import net from 'node:net';
import { syncBuiltinESMExports } from 'node:module';

const OURS = /(\.amazonaws\.com(\.cn)?|\.127\.0\.0\.1)\.?$/i;
const HERE = { address: '127.0.0.1', family: 4 };

export function install(port) {
  const { lookup } = dns;
  dns.lookup = (host, options, done) => {
    if (typeof options === 'function') [options, done] = [{}, options];
    if (!OURS.test(host)) return lookup(host, options, done);
    process.nextTick(() => (options?.all ? done(null, [HERE]) : done(null, HERE.address, HERE.family)));
  };
  const { lookup: promised } = dns.promises;
  dns.promises.lookup = async (host, options) => (OURS.test(host) ? (options?.all ? [HERE] : HERE) : promised(host, options));

  const { connect } = net.Socket.prototype;
  net.Socket.prototype.connect = function (...args) {
    // net.connect hands an array of options and callback, others the options, or port and host.
    if (Array.isArray(args[0])) args[0][0] = redirect(args[0][0], port);
    else if (args[0] !== null && typeof args[0] === 'object') args[0] = redirect(args[0], port);
    else if (OURS.test(args[1])) args.splice(0, 2, port, HERE.address);
    return connect.apply(this, args);
  };
  syncBuiltinESMExports();
}

function redirect(options, port) {
  return OURS.test(options.host) ? { ...options, host: HERE.address, port, lookup: undefined } : options;
}
