// The same by `kubectl apply -k`: an overlay of a user's own, with the address of the metric
// server, on top of deploy/.
import { mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Cluster } from '../cluster.ts';
import { Stage } from '../scenarios/stage.ts';
import { sharedCluster } from '../shared.ts';
import { operatorImage, repository, rolledOut, root, systemNamespace } from './installation.ts';
import { rollsBadCanaryBack } from './rollouts.ts';

const configuration = `servers:
  - { name: main, url: 'http://prometheus.monitoring:9090', scrapeInterval: 1s, lag: 1s }
pollInterval: 1s
`;

describe('kubectl apply -k', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let stage: Stage;
  let overlay: string;

  before(async () => {
    cluster = await sharedCluster('gateway');
    const { registry, digest } = await operatorImage(cluster);
    overlay = realpathSync(mkdtempSync(join(cluster.folder, 'overlay-')));
    writeFileSync(join(overlay, 'config.yaml'), configuration);
    writeFileSync(
      join(overlay, 'kustomization.yaml'),
      // JSON is YAML.
      JSON.stringify({
        resources: [relative(overlay, join(realpathSync(root), 'deploy', 'overlays', 'default'))],
        images: [{ name: repository, newName: `${registry}/${repository}`, digest }],
        configMapGenerator: [
          {
            name: 'x0tta-config',
            namespace: systemNamespace,
            behavior: 'replace',
            files: ['config.yaml'],
          },
        ],
      }),
    );
  });

  after(async () => {
    await stage.close();
    await cluster.kubectl(['delete', '-k', overlay, '--ignore-not-found']);
  });

  it('installs an operator whose Pods roll a bad canary back', async () => {
    await cluster.kubectl(['apply', '-k', overlay]);
    await rolledOut(cluster);
    stage = await Stage.open(cluster, 'kustomize');
    await rollsBadCanaryBack(stage);
  });
});
