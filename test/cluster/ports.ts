// Free TCP ports on loopback, so that several clusters run side by side in one sandbox.
import { createServer } from 'node:net';

/** Away from the ports of Kubernetes, and below those that Linux itself gives to connections. */
const first = 11_000;
const count = 18_000;
/** Processes begin far from each other, and hand out none twice before they have been round. */
let next = (process.pid * 131) % count;

/** As many distinct TCP ports as asked for, none of them in use on loopback now. */
export async function freePorts(wanted: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let tried = 0; ports.length < wanted; tried++) {
    if (tried === count) throw new Error(`no ${wanted} ports are free from ${first} on`);
    const port = first + next;
    next = (next + 1) % count;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
