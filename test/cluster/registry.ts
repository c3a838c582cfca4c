// A registry on the node's loopback, from which the node pulls images by digest as it would from
// any other. It ends with the cluster.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import type { Cluster } from './cluster.ts';
import { runCommand } from './command.ts';
import { oncePerCluster } from './once.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

/** Host and port of the cluster's registry; the first call starts it. */
export const registryOf = oncePerCluster(async (cluster) => {
  const [port = 0] = await freePorts(1);
  const host = `127.0.0.1:${port}`;
  const folder = join(cluster.folder, 'registry');
  mkdirSync(folder);
  const config = join(folder, 'config.yml');
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({
      version: '0.1',
      log: { level: 'warn' },
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: host },
    }),
  );
  cluster.start({ name: 'registry', command: 'docker-registry', args: ['serve', config] });
  await waitFor('the registry', async () => {
    const answer = await request(`http://${host}/v2/`);
    await answer.body.dump();
    return answer.statusCode === 200;
  });
  return host;
});

/** Pushes an OCI layout and returns the digest under which it can be pulled. */
export async function pushImage(
  cluster: Cluster,
  layoutFolder: string,
  name: string,
): Promise<string> {
  const reference = `${await registryOf(cluster)}/${name}`;
  const pushed = await runCommand(cluster.binaries('crane'), [
    'push',
    '--insecure',
    '--index',
    layoutFolder,
    reference,
  ]);
  const digest = /sha256:[0-9a-f]{64}/.exec(pushed)?.[0];
  if (digest === undefined) throw new Error(`crane told no digest: ${pushed}`);
  return digest;
}
