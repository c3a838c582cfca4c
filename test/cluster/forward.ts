// Makes servers of a sandbox reachable from the host's loopback, over Unix sockets in the sandbox's
// folder, which both sides see: a relay inside, and a listener outside. It opens nothing to the
// network, and knows nothing of what is served.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { watch, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import type { NetConnectOpts, Server, Socket } from 'node:net';
import { basename, join } from 'node:path';
import { waitFor } from './process.ts';

const socketEnding = '.sock';
const portEnding = '.port';

/**
 * The host's side: gives each relay in `sandboxFolder`, now and later, a free port on 127.0.0.1.
 * Returns what gives the ports back.
 */
export function forwardToHost(sandboxFolder: string): () => void {
  const folder = relaysFolder(sandboxFolder);
  mkdirSync(folder, { recursive: true });
  const listeners = new Map<string, Server>();
  const watcher = watch(folder, () => {
    for (const file of readdirSync(folder)) {
      if (file.endsWith(socketEnding) && !listeners.has(file))
        listeners.set(file, listenFor(join(folder, file)));
    }
  });
  return () => {
    watcher.close();
    for (const listener of listeners.values()) listener.close();
  };
}

/**
 * The sandbox's side: relays to the server at `url` for as long as this process lives, and returns
 * the URL at which the host reaches it.
 * @param name unique in the sandbox; it names the socket.
 * @throws Error when the sandbox was started without --forward.
 */
export async function reachFromHost(name: string, url: string): Promise<string> {
  const folder = relaysFolder(process.env['X0TTA_SANDBOX_FOLDER'] ?? '');
  if (!existsSync(folder)) {
    throw new Error(
      `the host cannot reach ${url}: start the sandbox with \`sandbox.ts --forward -- COMMAND\``,
    );
  }
  const { protocol, hostname, port } = new URL(url);
  const relay = relayTo({
    host: hostname,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
  });
  await new Promise<void>((resolve, reject) => {
    relay.once('error', reject);
    relay.listen(join(folder, `${name}${socketEnding}`), resolve);
  });
  // Whoever keeps the server running keeps the process alive.
  relay.unref();
  const hostPort = await waitFor(`a port of the host for ${name}`, () =>
    readFileSync(join(folder, `${name}${portEnding}`), 'utf8'),
  );
  return `${protocol}//127.0.0.1:${hostPort}`;
}

function relaysFolder(sandboxFolder: string): string {
  return join(sandboxFolder, 'relays');
}

function listenFor(socketPath: string): Server {
  const listener = relayTo({ path: socketPath });
  listener.listen(0, '127.0.0.1', () => {
    const address = listener.address();
    if (address === null || typeof address === 'string') return;
    const path = join(socketPath, '..', basename(socketPath, socketEnding) + portEnding);
    // Renamed into place, so that a reader finds all of it or nothing.
    writeFileSync(`${path}.part`, String(address.port));
    renameSync(`${path}.part`, path);
  });
  return listener;
}

/** A server that carries every connection on to `target`. */
function relayTo(target: NetConnectOpts): Server {
  return createServer({ allowHalfOpen: true }, (client) => {
    const upstream = createConnection({ ...target, allowHalfOpen: true });
    carry(client, upstream);
    carry(upstream, client);
  });
}

function carry(from: Socket, to: Socket): void {
  from.pipe(to);
  from.once('error', () => to.destroy());
}
