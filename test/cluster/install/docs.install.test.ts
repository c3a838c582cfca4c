// The commands of the pages on installation and operations, run as they are written, by a shell, in
// a copy of the checkout. The image is the one thing that is added.
import { cpSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Cluster } from '../cluster.ts';
import { runCommand } from '../command.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { commandNamesOf, commandsOf, filesOf } from './docsCommands.ts';
import { operatorImage, operatorPods, repository, root } from './installation.ts';

const install = 'docs/install.md';
const operations = 'docs/operations.md';

/** Blocks in an order in which a reader may run them, each on what those before have left. */
const stories: readonly (readonly (readonly [page: string, block: string])[])[] = [
  [
    [install, 'install'],
    [install, 'pod-security'],
    [install, 'verify'],
    [install, 'first-object'],
    [operations, 'upgrade'],
    [operations, 'helm-rollback'],
    [operations, 'leader'],
    [operations, 'leader-metrics'],
    [install, 'uninstall'],
  ],
  [
    [install, 'namespaced'],
    [install, 'uninstall'],
  ],
  [
    [install, 'cluster-parts'],
    [install, 'team'],
    [install, 'uninstall'],
  ],
  [
    [install, 'kustomize'],
    [install, 'kustomize-site'],
    [install, 'uninstall-kustomize'],
  ],
];

describe('the commands of the documentation', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let checkout: string;
  let env: Readonly<Record<string, string>>;
  let imageFlags: string;

  before(async () => {
    cluster = await sharedCluster('gateway');
    const { registry, digest } = await operatorImage(cluster);
    imageFlags = `--set image.registry=${registry} --set image.digest=${digest}`;
    const folder = mkdtempSync(join(cluster.folder, 'docs-'));
    checkout = join(folder, 'checkout');
    for (const name of ['crds', 'deploy', 'docs', 'helm']) {
      cpSync(join(root, name), join(checkout, name), { recursive: true });
    }
    for (const [name, text] of filesOf(install)) {
      mkdirSync(join(checkout, name, '..'), { recursive: true });
      const pullable = text
        .replace(/newName: .*/, `newName: ${registry}/${repository}`)
        .replace(/newTag: .*/, `digest: ${digest}`);
      writeFileSync(join(checkout, name), pullable);
    }
    const programs = join(folder, 'bin');
    mkdirSync(programs);
    for (const name of ['helm', 'kubectl']) {
      symlinkSync(cluster.binaries(name), join(programs, name));
    }
    env = {
      KUBECONFIG: cluster.kubeconfig,
      HOME: folder,
      PATH: `${programs}:${process.env['PATH'] ?? ''}`,
    };
  });

  afterEach(async () => {
    await removeObjects();
    const ignoring = ['--ignore-not-found', '--wait'];
    await cluster.kubectl(['delete', 'namespace', 'mesh', 'shop', 'x0tta-system', ...ignoring]);
    const parts = ['crd', 'clusterrole', 'clusterrolebinding', 'priorityclass', 'flowschema'];
    const policies = ['validatingadmissionpolicy', 'validatingadmissionpolicybinding'];
    const kinds = [...parts, ...policies].join(',');
    const selector = 'app.kubernetes.io/name=x0tta';
    await cluster.kubectl(['delete', kinds, '-l', selector, ...ignoring]);
  });

  /** A story that failed may have left objects, and no operator that would take finalizers off. */
  const removeObjects = async (): Promise<void> => {
    interface Item {
      readonly metadata: { readonly namespace: string; readonly name: string };
    }
    const path = '/apis/x0tta.io/v1alpha1/x0ttadeployments';
    for (const { metadata } of await cluster.client.list<Item>(path).catch(() => [])) {
      const { namespace, name } = metadata;
      const object = `/apis/x0tta.io/v1alpha1/namespaces/${namespace}/x0ttadeployments/${name}`;
      await cluster.client.delete(object);
      // Whoever runs may have been faster.
      await cluster.client.patch(object, { metadata: { finalizers: null } }).catch(() => undefined);
    }
  };

  const run = (command: string): Promise<string> => {
    const added = /^helm (install|upgrade) /.test(command) ? `${command} ${imageFlags}` : command;
    return runCommand('bash', ['-euo', 'pipefail', '-c', `cd '${checkout}'\n${added}`], { env });
  };

  for (const story of stories) {
    it(`work in this order: ${story.map(([, block]) => block).join(', ')}`, async () => {
      for (const [page, block] of story) {
        // A rollout of the operator is done before its old Pods are gone, of which one may lead.
        await waitFor('the end of old Pods', async () =>
          (await operatorPods(cluster)).every((pod) => !pod.metadata.deletionTimestamp),
        );
        for (const command of commandsOf(page, block)) await run(command);
      }
    });
  }

  it('are all run', () => {
    for (const page of [install, operations]) {
      const ours = stories.flat().filter(([name]) => name === page);
      const blocks = new Set(ours.map(([, block]) => block));
      expect([...blocks], page).to.have.members([...commandNamesOf(page)]);
    }
  });
});
