// The look at the served CRD: what is said of it, how often it is looked at, and when no more.
import { expect } from 'chai';
import { customResourceDefinition, rootSchema } from '../../src/api/crd.ts';
import { createCrdCheck } from '../../src/kube/crdCheck.ts';
import type { CrdCheck } from '../../src/kube/crdCheck.ts';
import { errorFromStatus } from '../../src/kube/errors.ts';
import { FakeClock, settle } from '../runtime/fakeClock.ts';

const openApi = '/openapi/v3/apis/x0tta.io/v1alpha1';
const discovery = '/apis/x0tta.io/v1alpha1';
const name = 'x0ttadeployments.x0tta.io';
const gvk = { group: 'x0tta.io', version: 'v1alpha1', kind: 'X0ttaDeployment' };

/** What the API server publishes of an object with this status. */
function published(status: unknown): object {
  const schema = { 'x-kubernetes-group-version-kind': [gvk], properties: { status } };
  return { components: { schemas: { [`io.x0tta.v1alpha1.${gvk.kind}`]: schema } } };
}

/** Our own status without so many of its fields. */
function statusWithout(...fields: readonly string[]): object {
  const { properties, ...status } = rootSchema().properties?.['status'] ?? {};
  const kept = Object.entries(properties ?? {}).filter(([field]) => !fields.includes(field));
  return { ...status, properties: Object.fromEntries(kept) };
}

describe('the check of the CRD', () => {
  let clock: FakeClock;
  let stop: AbortController;
  let asked: string[];
  let logged: string[];
  let answers: Record<string, unknown>;
  let check: CrdCheck;

  beforeEach(() => {
    clock = new FakeClock();
    stop = new AbortController();
    [asked, logged] = [[], []];
    answers = { [openApi]: published(statusWithout()) };
    check = createCrdCheck({
      client: {
        request: async <T>({ path }: { readonly path: string }) => {
          asked.push(path);
          const answer = answers[path] ?? errorFromStatus(404, { message: 'no' }, false);
          if (answer instanceof Error) throw answer;
          return answer as T;
        },
      },
      clock,
      random: () => 1,
      log: (level, message) => level !== 'debug' && logged.push(`${level}: ${message}`),
      signal: stop.signal,
    });
  });

  afterEach(async () => {
    stop.abort();
    await settle();
    expect(clock.pendingTimers, 'timers left behind').to.equal(0);
  });

  const isInstalled = async (): Promise<boolean> => {
    let installed = false;
    void check.whenInstalled().then(() => (installed = true));
    await settle();
    return installed;
  };

  it('asks once where all is served, says nothing, and asks never again', async () => {
    await check.start();
    await clock.advance(3_600_000);
    expect(asked).to.deep.equal([openApi]);
    expect([check.state(), check.problem(), check.missingCount()]).to.deep.equal([
      { kind: 'whole' },
      null,
      0,
    ]);
    expect(logged).to.deep.equal([]);
    expect(await isInstalled()).to.equal(true);
  });

  it('names what is missing once, with its number and the remedy', async () => {
    const fields = ['step', 'ready', 'replicas', 'selector', 'signals', 'incidents', 'rejected'];
    answers[openApi] = published(statusWithout(...fields));
    await check.start();
    await clock.advance(600_000);
    const problem =
      `the CRD ${name} lacks 7 of what is written (status.step, status.ready, ` +
      'status.replicas, status.selector, status.signals, …)';
    expect(check.problem()).to.equal(problem);
    expect(check.missingCount()).to.equal(7);
    expect(logged).to.deep.equal([`warn: ${problem}: apply the CRDs of this version`]);
    expect(await isInstalled()).to.equal(true);
  });

  it('looks again, half a minute apart at most, until the CRD was applied', async () => {
    answers[openApi] = published(statusWithout('step'));
    await check.start();
    await clock.advance(600_000);
    const before = asked.length;
    await clock.advance(30_000);
    expect(asked).to.have.lengthOf(before + 1);
    answers[openApi] = published(statusWithout());
    await clock.advance(30_000);
    expect([check.problem(), check.missingCount()]).to.deep.equal([null, 0]);
    expect(logged.slice(1)).to.deep.equal(['info: the CRD has all that is written']);
    const healed = asked.length;
    await clock.advance(3_600_000);
    expect(asked).to.have.lengthOf(healed);
  });

  it('says anew when something else is missing', async () => {
    answers[openApi] = published(statusWithout('step', 'ready'));
    await check.start();
    answers[openApi] = published(statusWithout('ready'));
    await clock.advance(30_000);
    expect(logged).to.have.lengthOf(2);
    expect(logged[1]).to.include('lacks 1 of what is written (status.ready)');
  });

  it('waits for a CRD that is not installed', async () => {
    delete answers[openApi];
    await check.start();
    expect(check.state()).to.deep.equal({ kind: 'notInstalled' });
    expect([check.problem(), check.missingCount()]).to.deep.equal([
      `the CRD ${name} is not installed`,
      1,
    ]);
    expect(logged).to.deep.equal([
      `warn: the CRD ${name} is not installed: apply the CRDs of this version`,
    ]);
    expect(await isInstalled()).to.equal(false);
    // Served, and published a moment later.
    answers[discovery] = { resources: [{ kind: gvk.kind }] };
    await clock.advance(30_000);
    expect([check.state().kind, check.problem()]).to.deep.equal(['unknown', null]);
    expect(await isInstalled()).to.equal(true);
    expect(logged).to.have.lengthOf(1);
    answers[openApi] = published(statusWithout());
    await clock.advance(30_000);
    expect(check.state().kind).to.equal('whole');
    expect(logged[1]).to.equal('info: the CRD has all that is written');
  });

  it('takes a group without our kind as not installed', async () => {
    answers = { [openApi]: { components: { schemas: {} } }, [discovery]: { resources: [] } };
    await check.start();
    expect(check.state().kind).to.equal('notInstalled');
  });

  it('holds nothing up where it can not tell, and finds out later', async () => {
    answers[openApi] = errorFromStatus(503, { message: 'busy' }, false);
    await check.start();
    expect([check.state().kind, check.problem(), logged]).to.deep.equal(['unknown', null, []]);
    expect(await isInstalled()).to.equal(true);
    answers[openApi] = published(statusWithout('step'));
    await clock.advance(1_000);
    expect(check.state().kind).to.equal('lacking');
    answers[openApi] = errorFromStatus(503, { message: 'busy' }, false);
    await clock.advance(30_000);
    expect(check.state().kind, 'of the look before').to.equal('lacking');
  });

  it('ends when it is told to, and so does who waits for it', async () => {
    delete answers[openApi];
    await check.start();
    stop.abort();
    expect(await isInstalled()).to.equal(true);
    const before = asked.length;
    await clock.advance(600_000);
    expect(asked).to.have.lengthOf(before);
  });

  it('finds in our own definition all that is written', async () => {
    const { spec } = customResourceDefinition() as unknown as {
      readonly spec: {
        readonly versions: readonly [
          {
            readonly schema: {
              readonly openAPIV3Schema: { readonly properties: { readonly status: unknown } };
            };
          },
        ];
      };
    };
    const { openAPIV3Schema } = spec.versions[0].schema;
    answers[openApi] = published(openAPIV3Schema.properties.status);
    await check.start();
    expect(check.state()).to.deep.equal({ kind: 'whole' });
  });
});
