// The chart as text: helm-unittest passes, both Helms render the same, its objects are what the API
// server takes, and deploy/ says the same as the chart. Nothing is installed.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments, stringify } from 'yaml';
import { binaryPath, prometheusOperatorFolder } from '../binaries.ts';
import type { Cluster } from '../cluster.ts';
import { sharedCluster } from '../shared.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const chart = join(root, 'helm', 'x0tta');

interface KubeObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

function objectsIn(text: string): readonly KubeObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

function rendered(helm: 'helm' | 'helm3', ...values: readonly string[]): string {
  const args = [
    'template',
    'x0tta',
    chart,
    '--namespace=x0tta-system',
    '--skip-tests',
    '--kube-version=1.37.0',
  ];
  return run(binaryPath(helm), [...args, ...values]);
}

/** Metadata, and that of a Pod's template. */
interface Metadata {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

const onlyHelms = ['app.kubernetes.io/managed-by', 'helm.sh/chart'];
const onlyHelmsNotes = ['helm.sh/resource-policy', 'checksum/config'];

function without(map: Record<string, string> | undefined, names: readonly string[]) {
  const left = Object.entries(map ?? {}).filter(([name]) => !names.includes(name));
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

function plainMetadata<T extends Metadata>(metadata: T): T {
  const labels = without(metadata.labels, onlyHelms);
  return { ...metadata, labels, annotations: without(metadata.annotations, onlyHelmsNotes) };
}

/** As text, without what only Helm writes, and without the hash that kustomize adds to a name. */
function plain(objects: readonly KubeObject[]): readonly string[] {
  return objects
    .filter(({ kind }) => kind !== 'Namespace')
    .map((object) => {
      const { spec, ...rest } = object as KubeObject & {
        readonly spec?: { readonly template?: { readonly metadata: Metadata } };
      };
      const template = spec?.template;
      const pod =
        template === undefined
          ? {}
          : { template: { ...template, metadata: plainMetadata(template.metadata) } };
      const whole = spec === undefined ? {} : { spec: { ...spec, ...pod } };
      return { ...rest, ...whole, metadata: plainMetadata(object.metadata as Metadata) };
    })
    .map((object) => stringify(object, { sortMapEntries: true, aliasDuplicateObjects: false }))
    .map((text) => text.replace(/\bname: x0tta-config-[0-9a-z]{10}$/gm, 'name: x0tta-config'))
    .toSorted();
}

describe('the chart as text', function () {
  this.timeout(60_000);

  it('passes its own tests', () => {
    const output = run(binaryPath('helm-unittest'), ['--color=false', chart]);
    expect(output).to.match(/^Tests: +(\d+) passed, \1 total/m);
  });

  it('is rendered alike by both Helms', () => {
    // They differ in blank lines, and in the order of kinds that no order is known for.
    const texts = (helm: 'helm' | 'helm3'): readonly string[] =>
      objectsIn(rendered(helm))
        .map((object) => JSON.stringify(object))
        .toSorted();
    expect(texts('helm3')).to.deep.equal(texts('helm'));
  });

  for (const [overlay, values] of [
    ['default', []],
    ['namespaced', ['--set=watchNamespaces={mesh}']],
  ] as const) {
    it(`says the same as deploy/overlays/${overlay}`, () => {
      const built = run(binaryPath('kubectl'), [
        'kustomize',
        join(root, 'deploy/overlays', overlay),
      ]);
      const chartObjects = plain(objectsIn(rendered('helm', ...values)));
      expect(plain(objectsIn(built)).join('---\n')).to.equal(chartObjects.join('---\n'));
    });
  }

  it('is what deploy/ was generated from', () => {
    run(process.execPath, [join(root, 'scripts', 'manifests.ts'), '--check']);
  });

  describe('on a real API server', () => {
    let cluster: Cluster;

    before(async () => {
      cluster = await sharedCluster('control-plane');
    });

    it('has no object with a field that is unknown or wrong', async () => {
      await cluster.kubectl(['create', 'namespace', 'chart-text']);
      const every = [
        '--set=namespaceOverride=chart-text,nameOverride=chart-text',
        '--set=networkPolicy.egress[0].ports[0].port=443',
        '--set=topologySpreadConstraints[0].maxSkew=1',
        '--set=topologySpreadConstraints[0].topologyKey=rack',
        '--set=topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule',
        '--set=runtimeClassName=gvisor,dnsPolicy=None,dnsConfig.nameservers={192.0.2.1}',
      ];
      const output = await cluster.kubectl(
        ['apply', '--dry-run=server', '--validate=strict', '-f', '-'],
        { input: rendered('helm', ...every) },
      );
      expect(output.trim().split('\n')).to.have.length.greaterThan(15);
    });

    it('has monitoring objects that the Prometheus Operator takes', async () => {
      for (const name of ['servicemonitors', 'prometheusrules']) {
        const file = join(prometheusOperatorFolder(), `monitoring.coreos.com_${name}.yaml`);
        await cluster.kubectl(['apply', '--server-side', '-f', file]);
      }
      await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all']);
      const monitoring = [
        '--set=serviceMonitor.enabled=true,serviceMonitor.interval=30s',
        '--set=prometheusRule.enabled=true,dashboard.enabled=true',
        '--api-versions=monitoring.coreos.com/v1/ServiceMonitor',
        '--api-versions=monitoring.coreos.com/v1/PrometheusRule',
        ...['servicemonitor', 'prometheusrule', 'dashboard'].map(
          (name) => `--show-only=templates/${name}.yaml`,
        ),
      ];
      const output = await cluster.kubectl(
        ['apply', '--dry-run=server', '--validate=strict', '-n', 'default', '-f', '-'],
        { input: rendered('helm', '--set=namespaceOverride=default', ...monitoring) },
      );
      expect(output.trim().split('\n')).to.have.lengthOf(3);
    });
  });
});
