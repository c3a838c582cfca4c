// The start and the end of the bundled operator against an API server that is away, old, without
// its CRD or without routes, or that refuses a list.
import { expect } from 'chai';
import { request } from 'undici';
import { freePorts } from '../cluster/ports.ts';
import { FakeApi } from './fakeApi.ts';
import { OperatorFolder } from './operatorProcess.ts';
import type { OperatorProcess } from './operatorProcess.ts';

describe('the operator at its start', function () {
  this.timeout(30_000);
  const folder = new OperatorFolder();
  let tls: { readonly key: string; readonly cert: string };
  let port: number;
  let api: FakeApi;

  before(async () => {
    await folder.open();
    tls = folder.certificate();
  });

  after(() => folder.close());

  beforeEach(async () => {
    [port = 0] = await freePorts(1);
    api = new FakeApi(tls);
  });

  afterEach(() => api.server.stop());

  const start = (...more: readonly string[]): OperatorProcess =>
    folder.start([...folder.flagsFor(port), ...more]);

  const readiness = async (operator: OperatorProcess): Promise<readonly [number, string]> => {
    const { probes } = await operator.line('listening');
    const { statusCode, body } = await request(`http://127.0.0.1:${String(probes)}/readyz`);
    return [statusCode, await body.text()];
  };

  const metricsOf = async (operator: OperatorProcess): Promise<readonly string[]> => {
    const { metrics } = await operator.line('listening');
    const { body } = await request(`http://127.0.0.1:${String(metrics)}/metrics`);
    return (await body.text()).split('\n');
  };

  const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  const end = async (operator: OperatorProcess): Promise<void> => {
    operator.kill('SIGTERM');
    expect(await operator.ended).to.deep.equal([0, null]);
  };

  it('goes on when the API server comes, leads, and gives the lease back at its end', async () => {
    const operator = start();
    await operator.line('waiting for the API server');
    expect(await readiness(operator)).to.have.property('0', 503);
    await api.server.start(port);
    expect(await operator.line('connected')).to.deep.include({
      server: `https://127.0.0.1:${port}`,
      kubernetes: 'v1.37.2',
      crd: 'whole',
      routes: ['HTTPRoute', 'GRPCRoute'],
    });
    await operator.line('ready');
    expect(await readiness(operator)).to.deep.equal([200, 'ok\n']);
    expect(api.lease?.spec.holderIdentity).to.not.equal('');
    await end(operator);
    expect(api.lease?.spec.holderIdentity).to.equal('');
    expect(new Set(api.written.map((write) => write.replace(/^\S+ /, ''))).size).to.equal(2);
    const faults = operator.lines.filter(({ level }) => level === 'error');
    expect(faults).to.deep.equal([]);
  });

  it('tells of the objects while it leads, and of itself always', async () => {
    await api.server.start(port);
    const leader = start();
    await leader.line('leading');
    await leader.line('ready');
    const follower = start();
    await follower.line('ready');
    const [ofLeader, ofFollower] = [await metricsOf(leader), await metricsOf(follower)];
    for (const lines of [ofLeader, ofFollower]) {
      expect(lines.filter((line) => line.startsWith('x0tta_build_info{'))).to.have.lengthOf(1);
      expect(lines).to.include.members([
        'x0tta_watch_synced{resource="pods"} 1',
        'x0tta_crd_missing_fields 0',
      ]);
    }
    expect(ofLeader).to.include.members(['x0tta_leader 1', 'x0tta_objects{phase="Stable"} 0']);
    expect(ofFollower).to.include('x0tta_leader 0');
    expect(ofFollower.join('\n')).to.not.match(/^x0tta_objects\b/m);
    await end(follower);
    await end(leader);
  });

  it('names a Kubernetes that is too old, and works on', async () => {
    api.gitVersion = 'v1.29.4-gke.1';
    await api.server.start(port);
    const operator = start();
    await operator.line('ready');
    const warnings = operator.lines.filter(({ level }) => level === 'warn');
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]?.['message']).to.include('v1.29.4-gke.1').and.to.include('1.30');
    await end(operator);
  });

  it('is not ready by a CRD that lacks something, names it, works on, and heals', async () => {
    const whole = api.status;
    const { properties, ...status } = api.status as { readonly properties: object };
    api.status = { ...status, properties: { ...properties, worstSignal: undefined } };
    await api.server.start(port);
    const operator = start();
    await operator.line('leading');
    await operator.line('ready');
    const [code, text] = await readiness(operator);
    expect(code).to.equal(503);
    expect(text).to.include('x0ttadeployments.x0tta.io lacks 1').and.include('status.worstSignal');
    api.status = whole;
    await operator.line('the CRD has all that is written');
    expect(await readiness(operator)).to.deep.equal([200, 'ok\n']);
    await end(operator);
  });

  it('takes no lease while the CRD is not installed, and begins once it is', async () => {
    const whole = api.status;
    api.status = null;
    await api.server.start(port);
    const operator = start();
    expect(await operator.line('connected')).to.include({ crd: 'notInstalled' });
    const [code, text] = await readiness(operator);
    expect(code).to.equal(503);
    expect(text).to.include('the CRD x0ttadeployments.x0tta.io is not installed');
    expect([api.lease, api.watched]).to.deep.equal([undefined, []]);
    api.status = whole;
    await operator.line('ready');
    await until(() => api.lease !== undefined);
    await end(operator);
  });

  it('watches routes that are served only later', async () => {
    api.routeKinds = [];
    await api.server.start(port);
    const operator = start();
    await operator.line('ready');
    expect(api.watched.join()).to.not.include('routes');
    api.routeKinds = ['HTTPRoute', 'GRPCRoute'];
    const routes = (): readonly string[] => api.watched.filter((path) => path.endsWith('routes'));
    await until(() => routes().length === 2);
    await until(async () => (await readiness(operator))[0] === 200);
    await end(operator);
  });

  it('gives the lease back, and ends, where a list is refused', async () => {
    api.forbidden = /pods$/;
    await api.server.start(port);
    const times = ['--lease-duration=900ms', '--renew-deadline=600ms', '--retry-period=200ms'];
    const operator = start(...times);
    await operator.line('leading');
    expect(await operator.ended).to.deep.equal([1, null]);
    expect(api.lease?.spec.holderIdentity).to.equal('');
    const fault = operator.lines.find(({ level }) => level === 'error');
    expect(fault).to.deep.include({ waitingFor: ['pods'] });
  });

  it('waits for a refused list where there is no lease that others want', async () => {
    api.forbidden = /pods$/;
    await api.server.start(port);
    const operator = start('--no-leader-elect');
    await until(async () => (await readiness(operator))[1] === 'not ready: pods\n');
    api.forbidden = /^$/;
    await operator.line('ready');
    expect(api.written).to.deep.equal([]);
    await end(operator);
  });
});
