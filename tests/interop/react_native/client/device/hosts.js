// The hosts file of this phone: the SDK has its host compiled in, so the name leads to the gateway under test instead.
// Only the address is another one; the certificate has to be good for the name that the SDK asked for.
import tls from "node:tls";

let table = new Map();

/** `{"rtc.telnyx.com": {host, port}}` */
export function setHosts(entries) {
  table = new Map(Object.entries(entries));
}

const connect = tls.connect;
tls.connect = (options, ...rest) => {
  const name = options.servername ?? options.host;
  const place = table.get(name);
  if (!place) throw new Error(`this phone does not know the host ${name}`);
  return connect({ ...options, ...place, servername: name }, ...rest);
};
