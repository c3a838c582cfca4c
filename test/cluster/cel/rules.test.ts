// Every CEL rule on a real API server: the manifest it accepts, and the one it rejects with its
// message. Also what kubectl makes of the resource. No operator runs here.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { allRules } from '../../../src/api/rules.ts';
import type { ManifestPatch, Rule } from '../../../src/api/rule.ts';
import type { Cluster } from '../cluster.ts';
import { waitFor } from '../process.ts';
import { freshNamespace } from '../namespace.ts';
import { sharedCluster } from '../shared.ts';

const root = join(import.meta.dirname, '../../..');
const documents = parseAllDocuments(readFileSync(join(root, 'docs/example.yaml'), 'utf8')).map(
  (document) => document.toJS() as unknown,
);
const example = documents.find(
  (object) => isRecord(object) && object['kind'] === 'X0ttaDeployment',
);

function isRecord(value: unknown): value is ManifestPatch {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7396. */
function mergePatch(target: unknown, patch: ManifestPatch): ManifestPatch {
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = isRecord(value) ? mergePatch(result[key], value) : value;
  }
  return result;
}

describe('the resource on a real API server', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let namespace: string;

  before(async () => {
    cluster = await sharedCluster('control-plane');
    const crd = join(root, 'crds/x0tta.io_x0ttadeployments.yaml');
    await cluster.kubectl(['apply', '--server-side', '-f', crd]);
    await cluster.kubectl(['wait', '--for=condition=Established', '-f', crd]);
    namespace = await freshNamespace(cluster, 'cel');
    // A new resource can be discovered a moment before it is served.
    await waitFor('the example to be stored', () => create(objectWith({}), []));
  });

  function objectWith(patch: ManifestPatch): ManifestPatch {
    return mergePatch(mergePatch(example, { metadata: { namespace } }), patch);
  }

  function create(object: ManifestPatch, options: readonly string[]): Promise<string> {
    const args = ['apply', ...options, '-f', '-'];
    return cluster.kubectl(args, { input: JSON.stringify(object) });
  }

  /** What the API server says to a patch; '' when it accepts it. Nothing is stored. */
  async function refusalOf(rule: Rule, patch: ManifestPatch): Promise<string> {
    const name = rule.on === 'create' ? { metadata: { name: 'new' } } : {};
    try {
      await create(mergePatch(objectWith(name), patch), ['--dry-run=server']);
      return '';
    } catch (error) {
      return String(error);
    }
  }

  for (const rule of allRules) {
    it(`${rule.name} accepts what it should`, async () => {
      expect(await refusalOf(rule, rule.accepted)).to.equal('');
    });

    it(`${rule.name} rejects what it should, in its own words`, async () => {
      expect(await refusalOf(rule, rule.rejected)).to.include(rule.message);
    });
  }

  it('accepts the Service and the route of the example too', async () => {
    const items = documents.map((object) => mergePatch(object, { metadata: { namespace } }));
    const list = { apiVersion: 'v1', kind: 'List', items };
    const said = await create(list, ['--dry-run=server']);
    expect(said.trim().split('\n')).to.have.length(3);
  });

  const field = (path: string): Promise<string> =>
    cluster.kubectl(['get', 'x0tta', 'control-plane', '-n', namespace, '-o', `jsonpath=${path}`]);

  it('fills in the defaults, and a status that nobody can take for done', async () => {
    const defaults = '{.spec.progressDeadlineSeconds} {.spec.revisionHistoryLimit}';
    expect(await field(defaults)).to.equal('600 10');
    expect(await field('{.status}')).to.equal('{"observedGeneration":-1}');
  });

  it('keeps every field of the template', async () => {
    const probe = '{.spec.template.spec.containers[0].readinessProbe.httpGet.path}';
    expect(await field(probe)).to.equal('/health');
  });

  it('is scaled by kubectl', async () => {
    await cluster.kubectl(['scale', 'x0tta/control-plane', '-n', namespace, '--replicas=7']);
    expect(await field('{.spec.replicas}')).to.equal('7');
  });

  it('is explained by kubectl, field by field', async () => {
    const text = await cluster.kubectl(['explain', 'x0tta.spec.canary']);
    expect(text).to.include('How a new revision gets traffic.');
    expect(text).to.include('How long the old pods stay');
  });

  it('is listed with its columns', async () => {
    const status = {
      phase: 'Progressing',
      step: { current: 2, total: 4, label: '2/4' },
      ready: '4/4',
      stable: {
        revision: 'stablestab',
        replicaSet: 'a',
        replicas: 4,
        available: 4,
        images: 'app:1',
      },
      canary: { revision: 'canarycana', replicaSet: 'b', replicas: 1, available: 1, weight: 25 },
      worstSignal: 'errorRate 7% Critical',
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'Holding',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    };
    const patch = ['--subresource=status', '--type=merge', '-p', JSON.stringify({ status })];
    await cluster.kubectl(['patch', 'x0tta', 'control-plane', '-n', namespace, ...patch]);
    const table = await cluster.kubectl(['get', 'x0tta', '-n', namespace, '-o', 'wide']);
    const [head = '', row = ''] = table.split('\n');
    expect(head.split(/ {2,}/).map((cell) => cell.trim())).to.deep.equal([
      'NAME',
      'PHASE',
      'STEP',
      'WEIGHT',
      'STABLE',
      'CANARY',
      'READY',
      'REASON',
      'AGE',
      'STABLE-IMAGES',
      'CANARY-IMAGES',
      'SIGNAL',
    ]);
    expect(row).to.match(
      /^control-plane +Progressing +2\/4 +25 +stablestab +canarycana +4\/4 +Holding /,
    );
    expect(row).to.match(/ app:1 +errorRate 7% Critical *$/);
  });
});
