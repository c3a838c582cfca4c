// Leader election on a Lease in memory: who leads when, by whose clock, and what is written while
// nobody is sure.
import { expect } from 'chai';
import { errorFromStatus, KubeError } from '../../src/kube/errors.ts';
import { createElection } from '../../src/kube/lease.ts';
import type { Election } from '../../src/kube/lease.ts';
import type { KubeClient, KubeRequest, WatchEnd } from '../../src/kube/transport.ts';
import { createWriteGate } from '../../src/kube/writeGate.ts';
import { FakeClock } from '../runtime/fakeClock.ts';

const times = { durationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 };

interface StoredLease {
  readonly metadata: { readonly resourceVersion: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** A request without an answer ends by its caller's signal alone. */
function givenUp({ signal }: KubeRequest): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void =>
      reject(new KubeError('given up', { kind: 'terminal', status: 0, reason: 'Aborted' }));
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** One lease as an API server would keep it. */
class LeaseServer {
  lease: StoredLease | undefined;
  writes = 0;
  /** What becomes of writes whose answer does not come, until their caller gives them up. */
  silent: 'lost' | 'written' | null = null;
  /** Who cannot reach the server. */
  readonly unreachable = new Set<string>();
  readonly #watchers = new Set<(object: unknown) => void>();

  client(name: string): KubeClient {
    return {
      request: async <T>(request: KubeRequest) => {
        if (this.silent === null || request.method === 'GET') {
          return this.#answer(name, request) as T;
        }
        if (this.silent === 'written') this.#answer(name, request);
        return givenUp(request);
      },
      watch: (_path, _query, onEvent, signal) => {
        const listener = (object: unknown): void => onEvent('MODIFIED', object);
        this.#watchers.add(listener);
        return new Promise<WatchEnd>((resolve) => {
          const stop = (): void => {
            this.#watchers.delete(listener);
            resolve({ type: 'stopped' });
          };
          signal.addEventListener('abort', stop, { once: true });
          if (signal.aborted) stop();
        });
      },
    };
  }

  #answer(name: string, { method, body, mayBeSent }: KubeRequest): unknown {
    if (this.unreachable.has(name)) throw errorFromStatus(503, {}, false);
    if (mayBeSent?.() === false) throw new Error('not sent');
    if (method === 'GET') {
      if (this.lease === undefined) throw errorFromStatus(404, {}, false);
      return this.lease;
    }
    const given = body as StoredLease;
    const known = this.lease?.metadata.resourceVersion;
    if (method === 'POST' ? known !== undefined : given.metadata.resourceVersion !== known) {
      throw errorFromStatus(409, {}, false);
    }
    this.writes++;
    const resourceVersion = String(this.writes);
    this.lease = { ...given, metadata: { ...given.metadata, resourceVersion } };
    for (const watcher of this.#watchers) watcher(this.lease);
    return this.lease;
  }
}

describe('leader election', () => {
  let server: LeaseServer;
  let clock: FakeClock;
  let lost: string[];
  let logged: string[];
  let elections: Election[];

  beforeEach(() => {
    server = new LeaseServer();
    clock = new FakeClock();
    [lost, logged, elections] = [[], [], []];
  });

  afterEach(async () => {
    const stopping = Promise.all(elections.map((election) => election.stop()));
    await clock.advance(20_000);
    await stopping;
    expect(clock.pendingTimers, 'timers left behind').to.equal(0);
  });

  const join = (name: string, own: FakeClock = clock): Election => {
    const election = createElection({
      client: server.client(name),
      clock: own,
      log: (level, message, fields) => {
        if (level === 'warn') logged.push(`${message}: ${String(fields?.['error'])}`);
      },
      namespace: 'x0tta-system',
      name: 'x0tta',
      identity: name,
      times,
      onLost: () => void lost.push(name),
    });
    elections.push(election);
    return election;
  };

  const holder = (): unknown => server.lease?.spec['holderIdentity'];

  it('is won by the first, and by nobody else while that one renews', async () => {
    const [a, b] = [join('a'), join('b')];
    expect(await a.start()).to.equal(true);
    expect(await b.start()).to.equal(false);
    await clock.advance(300_000);
    expect([a.isLeader(), b.isLeader()]).to.deep.equal([true, false]);
    expect(server.lease?.spec).to.include({ leaseDurationSeconds: 15, leaseTransitions: 1 });
    expect(server.lease?.spec['renewTime']).to.match(/\.\d{6}Z$/);
  });

  it('goes on at once when the leader gives it back', async () => {
    const [a, b] = [join('a'), join('b')];
    await a.start();
    await b.start();
    const stopping = a.stop();
    await clock.advance(0);
    await stopping;
    await clock.advance(0);
    expect(a.isLeader()).to.equal(false);
    expect(holder()).to.equal('b');
    expect(b.isLeader()).to.equal(true);
  });

  it('goes on at once also when the leader is stopped as it takes it', async () => {
    const a = join('a');
    const started = a.start();
    await a.stop();
    await started;
    expect(a.isLeader()).to.equal(false);
    expect([server.writes, holder()]).to.deep.equal([2, '']);
    expect(await join('b').start()).to.equal(true);
  });

  for (const [silent, what] of [
    ['lost', 'is lost'],
    ['written', 'is written, and not answered'],
  ] as const) {
    it(`goes back at once although a renewal ${what}`, async () => {
      const a = join('a');
      await a.start();
      server.silent = silent;
      await clock.advance(2_000);
      const stopping = a.stop();
      server.silent = null;
      await stopping;
      expect([a.isLeader(), holder()]).to.deep.equal([false, '']);
      expect(logged).to.deep.equal([]);
    });

    it(`is nobody's although its first write ${what}`, async () => {
      const a = join('a');
      server.silent = silent;
      const started = a.start();
      await clock.advance(0);
      const stopping = a.stop();
      server.silent = null;
      await stopping;
      expect(await started).to.equal(false);
      expect(await join('b').start()).to.equal(true);
    });
  }

  it('goes back also where it was written anew since it was read', async () => {
    const a = join('a');
    await a.start();
    if (server.lease !== undefined) {
      server.lease = { ...server.lease, metadata: { resourceVersion: 'another' } };
    }
    await a.stop();
    expect(holder()).to.equal('');
  });

  it('has a bound on the way back, whatever its times are', async () => {
    const bounds: (number | undefined)[] = [];
    const a = createElection({
      client: {
        ...server.client('a'),
        request: async <T>(request: KubeRequest): Promise<T> => {
          bounds.push(request.timeoutMs);
          return server.client('a').request<T>(request);
        },
      },
      clock,
      log: () => undefined,
      namespace: 'x0tta-system',
      name: 'x0tta',
      identity: 'a',
      times: { durationMs: 90_000, renewDeadlineMs: 60_000, retryPeriodMs: 20_000 },
      onLost: () => undefined,
    });
    await a.start();
    await a.stop();
    expect(holder()).to.equal('');
    expect(bounds.at(-1)).to.be.within(1, 4_000);
  });

  it('is missed with one line, however long it can not be had', async () => {
    const a = join('a');
    server.unreachable.add('a');
    await a.start();
    await clock.advance(60_000);
    expect(logged).to.deep.equal(['the lease could not be written: the server answered 503']);
    server.unreachable.clear();
    await clock.advance(2_000);
    expect(a.isLeader()).to.equal(true);
    server.unreachable.add('a');
    await clock.advance(6_000);
    expect(logged).to.have.lengthOf(2);
  });

  it('goes on after the leader was silent for the whole duration, and no sooner', async () => {
    const [a, b] = [join('a'), join('b')];
    await a.start();
    await b.start();
    server.unreachable.add('a');
    await clock.advance(14_900);
    expect(holder()).to.equal('a');
    await clock.advance(2_200);
    expect(holder()).to.equal('b');
    expect(lost).to.deep.equal(['a']);
  });

  it('is given up by a leader that cannot renew, before another can take it', async () => {
    const a = join('a');
    await a.start();
    server.unreachable.add('a');
    await clock.advance(9_900);
    expect(lost).to.deep.equal([]);
    expect(a.isLeader()).to.equal(true);
    await clock.advance(2_100);
    expect(a.isLeader()).to.equal(false);
    expect(lost).to.deep.equal(['a']);
  });

  it('is not led by a process stopped past its end, and writes nothing then', async () => {
    const own = new FakeClock();
    const [a, b] = [join('a', own), join('b')];
    await a.start();
    await b.start();
    await clock.advance(17_500);
    expect(b.isLeader()).to.equal(true);
    const { writes } = server;
    // The time of the stopped process has gone on as well; its timers fire all at once.
    await own.advance(17_500 + 2_000);
    expect(lost).to.deep.equal(['a']);
    expect(server.writes).to.equal(writes);
  });

  it('trusts no clock but its own: a lease from the future ends, too', async () => {
    const b = join('b');
    server.lease = {
      metadata: { resourceVersion: '1' },
      spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00Z' },
    };
    server.writes = 1;
    expect(await b.start()).to.equal(false);
    await clock.advance(16_000);
    expect(b.isLeader()).to.equal(true);
  });

  it('keeps what a renewal wrote though its answer was lost', async () => {
    const a = join('a');
    await a.start();
    const version = server.lease?.metadata.resourceVersion;
    await clock.advance(2_000);
    expect(server.lease?.metadata.resourceVersion).to.not.equal(version);
    // Somebody annotated the lease: the next renewal conflicts, reads, and goes on.
    server.writes++;
    if (server.lease !== undefined) {
      server.lease = { ...server.lease, metadata: { resourceVersion: String(server.writes) } };
    }
    await clock.advance(6_000);
    expect([a.isLeader(), lost]).to.deep.equal([true, []]);
  });

  it('lets no write through but those of the leader', async () => {
    const a = join('a');
    const { client } = createWriteGate(server.client('a'), () => a.isLeader());
    const write = { method: 'PUT', path: '/x', body: { metadata: {} } } as const;
    await a.start();
    server.unreachable.add('a');
    await clock.advance(12_000);
    server.unreachable.clear();
    let refused = '';
    await client.request(write).catch((error: unknown) => (refused = String(error)));
    expect(refused).to.include('not sent');
    expect(await client.request({ method: 'GET', path: '/x' })).to.equal(server.lease);
  });
});
