// Takes every TLS connection to one of AWS's names to one endpoint, as a machine does whose hosts file says so. The
// certificate is still verified against the name; NODE_EXTRA_CA_CERTS names who signed it.
import https from 'node:https';

export function route(endpoint) {
  const at = endpoint.lastIndexOf(':');
  const [host, port] = [endpoint.slice(0, at), Number(endpoint.slice(at + 1))];
  const connect = https.Agent.prototype.createConnection;
  https.Agent.prototype.createConnection = function (options, ...rest) {
    const name = options.servername || options.host;
    return connect.call(this, name.endsWith('.amazonaws.com') ? { ...options, host, port, servername: name } : options, ...rest);
  };
}
