// The gate of writes with the real transport: what leaves when all connections are busy, when the
// lease goes, and when the operator is told to end.
import { expect } from 'chai';
import { KubeError } from '../../src/kube/errors.ts';
import { createElection } from '../../src/kube/lease.ts';
import type { Election } from '../../src/kube/lease.ts';
import type { KubeRequest, KubeTransport } from '../../src/kube/transport.ts';
import { createWriteGate } from '../../src/kube/writeGate.ts';
import type { WriteGate } from '../../src/kube/writeGate.ts';
import { FakeClock, settle } from '../runtime/fakeClock.ts';
import { beginWatch, FakeServer, reply, transportTo } from './fakeServer.ts';
import type { Received } from './fakeServer.ts';
import { until } from './until.ts';

const connections = 64;
const read: KubeRequest = { method: 'GET', path: '/busy' };
const write: KubeRequest = { method: 'PATCH', path: '/write', patch: 'merge', body: { a: 1 } };

async function failure(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(KubeError);
  return error as KubeError;
}

describe('the gate of writes', () => {
  let server: FakeServer;
  let clock: FakeClock;
  let transport: KubeTransport;
  let leads: boolean;
  let gate: WriteGate;
  let busy: Received[];
  let writes: Received[];
  let reads: Promise<unknown>[];
  let answersWrites: boolean;

  beforeEach(async () => {
    server = new FakeServer();
    await server.start();
    clock = new FakeClock();
    transport = transportTo(server, clock);
    leads = true;
    gate = createWriteGate(transport, () => leads);
    [busy, writes, reads] = [[], [], []];
    answersWrites = false;
    server.answer = (received) => {
      if (received.path === read.path) busy.push(received);
      else if (received.query['watch'] === 'true') beginWatch(received);
      else writes.push(received);
      if (answersWrites && received.path === write.path) reply(received, 200, {});
    };
  });

  afterEach(async () => {
    await transport.close();
    await Promise.allSettled(reads);
    await server.stop();
    expect(clock.pendingTimers, 'timers left behind').to.equal(0);
  });

  /** Reads that take every connection and are not answered yet. */
  const takeAll = async (): Promise<void> => {
    reads = Array.from({ length: connections }, () => gate.client.request(read));
    await until(() => busy.length === connections);
  };

  const answerAll = async (): Promise<void> => {
    for (const received of busy) reply(received, 200, {});
    await Promise.all(reads);
  };

  it('lets writes out while this operator leads, and reads always', async () => {
    const wanted = gate.client.request(write);
    await until(() => writes.length === 1);
    reply(writes[0] as Received, 200, { written: true });
    expect(await wanted).to.deep.equal({ written: true });
    leads = false;
    const refused = await failure(gate.client.request(write));
    expect(refused).to.include({ reason: 'NotLeading', kind: 'terminal' });
    expect(refused.message).to.include('PATCH /write was not sent');
    const asked = gate.client.request(read);
    await until(() => busy.length === 1);
    reply(busy[0] as Received, 200, { read: true });
    expect(await asked).to.deep.equal({ read: true });
    expect(writes).to.have.lengthOf(1);
    expect(server.connections, 'a refusal ends no connection').to.be.at.most(2);
  });

  for (const [how, end] of [
    ['the lease is lost', () => (leads = false)],
    ['the operator is told to end', () => gate.close()],
  ] as const) {
    it(`lets no write out that waited for a connection when ${how}`, async () => {
      await takeAll();
      answersWrites = true;
      const refused = failure(gate.client.request(write));
      const late = failure(gate.client.request({ ...write, method: 'POST' }));
      await settle();
      void end();
      await answerAll();
      expect(await refused).to.include({ reason: 'NotLeading' });
      expect(await late).to.include({ reason: 'NotLeading' });
      expect(writes).to.deep.equal([]);
      expect(server.connections).to.equal(connections);
    });
  }

  it('bounds also the time of what waits for a connection', async () => {
    await takeAll();
    const waiting = failure(gate.client.request({ ...write, timeoutMs: 2_000 }));
    await settle();
    await clock.advance(2_000);
    expect(await waiting).to.include({ reason: 'Timeout' });
    await answerAll();
    expect(writes, 'and it leaves no later').to.deep.equal([]);
  });

  it('is closed when what has left before is answered, and waits for nothing else', async () => {
    const wanted = gate.client.request(write);
    await until(() => writes.length === 1);
    let closed = false;
    const closing = gate.close().then(() => (closed = true));
    const refused = await failure(gate.client.request(write));
    expect(refused).to.include({ reason: 'NotLeading' });
    expect(closed).to.equal(false);
    reply(writes[0] as Received, 200, {});
    await wanted;
    await closing;
    await gate.close();
  });

  it('holds up no lease: it is renewed and given back beside busy connections', async () => {
    await takeAll();
    const election: Election = createElection({
      client: transport,
      clock,
      log: () => undefined,
      namespace: 'x0tta-system',
      name: 'x0tta',
      identity: 'a',
      times: { durationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
      onLost: () => expect.fail('the lease is lost'),
    });
    const metadata = { name: 'x0tta', uid: 'u', resourceVersion: '1' };
    server.answer = (received) => {
      writes.push(received);
      const { spec } = JSON.parse(received.body === '' ? '{}' : received.body) as { spec?: object };
      reply(received, 200, { metadata, spec: spec ?? {} });
    };
    expect(await election.start()).to.equal(true);
    const blocked = failure(gate.client.request(write));
    await gate.close();
    await election.stop();
    const holders = writes
      .filter(({ method }) => method === 'PUT')
      .map(({ body }) => (JSON.parse(body) as { spec: { holderIdentity: string } }).spec)
      .map(({ holderIdentity }) => holderIdentity);
    expect(holders).to.deep.equal(['a', '']);
    await answerAll();
    expect(await blocked).to.include({ reason: 'NotLeading' });
  });
});
