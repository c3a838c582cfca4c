// The work queue: named cases, and random interleavings against what must hold for all of them.
import { expect } from 'chai';
import fc from 'fast-check';
import { createWorkQueue, type WorkQueueOptions } from '../../src/runtime/workQueue.ts';
import { FakeClock, settle } from './fakeClock.ts';

interface Pass {
  readonly key: string;
  readonly startMs: number;
  readonly end: () => void;
  readonly fail: () => void;
}

/** A queue whose passes last until the test ends them. */
function setUp(overrides: Partial<WorkQueueOptions> = {}) {
  const clock = new FakeClock();
  const started: Pass[] = [];
  const running = new Map<string, Pass>();
  const log: string[] = [];
  /** The queue retries a handler that throws, so what a pass finds wrong is kept for the test. */
  const violations: string[] = [];
  const queue = createWorkQueue({
    clock,
    random: () => 0.5,
    log: (_level, message) => log.push(message),
    concurrency: 2,
    urgentConcurrency: 1,
    backoff: { baseMs: 100, maxMs: 1000 },
    rate: { perSecond: 1000, burst: 1000 },
    ...overrides,
  });
  const handler = (key: string): Promise<void> => {
    if (running.has(key)) violations.push(`two workers on ${key}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): boolean => running.delete(key);
    const pass: Pass = {
      key,
      startMs: clock.monotonicMs(),
      end: () => leave() && resolve(),
      fail: () => leave() && reject(new Error('the pass failed')),
    };
    running.set(key, pass);
    started.push(pass);
    return promise;
  };
  const order = (): string[] => started.map((pass) => pass.key);
  return { clock, queue, handler, started, running, order, log, violations };
}

describe('work queue', () => {
  it('makes one pass for many adds of a key', async () => {
    const { queue, handler, order } = setUp();
    for (let i = 0; i < 5; i++) queue.add('a');
    queue.run(handler);
    await settle();
    expect(order()).to.deep.equal(['a']);
  });

  it('makes one more pass for what is added during a pass', async () => {
    const { queue, handler, order, running } = setUp();
    queue.run(handler);
    queue.add('a');
    await settle();
    queue.add('a');
    queue.add('a');
    await settle();
    expect(order()).to.deep.equal(['a']);
    running.get('a')?.end();
    await settle();
    expect(order()).to.deep.equal(['a', 'a']);
    running.get('a')?.end();
    await settle();
    expect(order()).to.deep.equal(['a', 'a']);
  });

  it('lets the earliest time win, whichever was asked for first', async () => {
    for (const delaysMs of [
      [500, 200],
      [200, 500],
    ]) {
      const { clock, queue, handler, started, running } = setUp();
      queue.run(handler);
      for (const delayMs of delaysMs) queue.add('a', { delayMs });
      await clock.advance(1000);
      running.get('a')?.end();
      await clock.advance(1000);
      expect(started.map((pass) => pass.startMs)).to.deep.equal([200]);
    }
  });

  it('puts urgent keys before others that came first', async () => {
    const { clock, queue, handler, order } = setUp({ concurrency: 1, urgentConcurrency: 1 });
    queue.add('a');
    queue.add('b');
    queue.add('c', { priority: 'urgent' });
    queue.add('b', { priority: 'urgent' });
    expect(queue.stats()).to.include({ urgentReady: 2, normalReady: 1 });
    queue.run(handler);
    await clock.advance(0);
    expect(order()).to.deep.equal(['c', 'b']);
  });

  it('starts one urgent key a turn of the event loop, and the others before all else', async () => {
    const { clock, queue, handler, order } = setUp({ concurrency: 2, urgentConcurrency: 2 });
    queue.run(handler);
    queue.add('a');
    for (const key of ['b', 'c', 'd']) queue.add(key, { priority: 'urgent' });
    await settle();
    expect(order()).to.deep.equal(['b']);
    await clock.advance(0);
    expect(order()).to.deep.equal(['b', 'c', 'd', 'a']);
  });

  it('does other work beside slow urgent passes, however many', async () => {
    const { clock, queue, handler, order } = setUp({ concurrency: 2, urgentConcurrency: 4 });
    queue.run(handler);
    for (const key of ['a', 'b', 'c']) queue.add(key, { priority: 'urgent' });
    for (const key of ['d', 'e', 'f']) queue.add(key);
    await clock.advance(0);
    expect(order()).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
  });

  it('keeps a worker for urgent keys when slow passes hold all others', async () => {
    const { queue, handler, order } = setUp();
    queue.run(handler);
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await settle();
    expect(order()).to.deep.equal(['a', 'b']);
    queue.add('d', { priority: 'urgent' });
    await settle();
    expect(order()).to.deep.equal(['a', 'b', 'd']);
  });

  it('starts an urgent key at once that is delayed and backs off', async () => {
    const { clock, queue, handler, started, running } = setUp();
    queue.run(handler);
    queue.add('a', { delayMs: 60_000 });
    queue.retry('a');
    queue.retry('a');
    queue.add('a', { priority: 'urgent' });
    await settle();
    expect(started.map((pass) => pass.startMs)).to.deep.equal([0]);
    queue.retry('a');
    running.get('a')?.end();
    await clock.advance(100);
    expect(started[1]?.startMs, 'the first back-off again').to.be.within(50, 100);
  });

  it('keeps a key urgent until the time it was asked for', async () => {
    const { clock, queue, handler, order, started } = setUp({ rate: { perSecond: 1, burst: 1 } });
    queue.run(handler);
    queue.add('a', { priority: 'urgent', delayMs: 500 });
    queue.add('b', { delayMs: 499 });
    queue.add('c', { delayMs: 499 });
    await clock.advance(500);
    expect(order()).to.deep.equal(['b', 'a']);
    expect(started[1]?.startMs).to.equal(500);
  });

  it('limits the rate of normal keys and of no urgent ones', async () => {
    const { clock, queue, started, handler } = setUp({
      concurrency: 100,
      urgentConcurrency: 100,
      rate: { perSecond: 10, burst: 2 },
    });
    queue.run(handler);
    for (let i = 0; i < 5; i++) queue.add(`n${i}`);
    for (let i = 0; i < 5; i++) queue.add(`u${i}`, { priority: 'urgent' });
    await clock.advance(1000);
    const times = (letter: string) =>
      started.filter((pass) => pass.key.startsWith(letter)).map((pass) => pass.startMs);
    expect(times('u')).to.deep.equal([0, 0, 0, 0, 0]);
    expect(times('n')).to.deep.equal([0, 0, 100, 200, 300]);
  });

  it('retries a pass that rejects, later each time, up to the maximum, until forget', async () => {
    const { clock, queue, handler, started, running, log } = setUp();
    queue.run(handler);
    queue.add('a');
    await settle();
    for (let failures = 1; failures <= 7; failures++) {
      running.get('a')?.fail();
      await settle();
      expect(queue.stats().failing).to.equal(1);
      const ceilingMs = Math.min(100 * 2 ** (failures - 1), 1000);
      await clock.advance(ceilingMs);
      const waitedMs = (started[failures]?.startMs ?? NaN) - (clock.monotonicMs() - ceilingMs);
      expect(waitedMs).to.be.within(ceilingMs / 2, ceilingMs);
    }
    expect(log).to.have.length(7);
    queue.forget('a');
    running.get('a')?.fail();
    await clock.advance(100);
    expect(started).to.have.length(9);
  });

  it('retries a handler that throws before its first await', async () => {
    const { clock, queue } = setUp();
    let calls = 0;
    queue.run(() => {
      calls++;
      if (calls === 1) throw new Error('at once');
      return Promise.resolve();
    });
    queue.add('a');
    await clock.advance(100);
    expect(calls).to.equal(2);
  });

  it('drains on shutdown and starts nothing afterwards', async () => {
    const { clock, queue, handler, order, running } = setUp();
    queue.run(handler);
    for (const key of ['a', 'b', 'c']) queue.add(key);
    queue.add('d', { delayMs: 10 });
    await settle();
    let drained = false;
    const done = queue.shutdown().then(() => (drained = true));
    running.get('a')?.end();
    await settle();
    expect(drained).to.equal(false);
    queue.add('e', { priority: 'urgent' });
    running.get('b')?.fail();
    await done;
    await clock.advance(100_000);
    expect(order()).to.deep.equal(['a', 'b']);
    expect(clock.pendingTimers).to.equal(0);
  });

  it('is at rest without timers', async () => {
    const { clock, queue, handler, running } = setUp();
    queue.run(handler);
    queue.add('a', { delayMs: 5 });
    await clock.advance(5);
    running.get('a')?.end();
    queue.forget('a');
    await settle();
    expect(clock.pendingTimers).to.equal(0);
    expect(queue.stats()).to.deep.equal({
      urgentReady: 0,
      normalReady: 0,
      delayed: 0,
      processing: 0,
      failing: 0,
    });
  });
});

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const delayMs = fc.constantFrom(0, 0, 1, 10, 50, 200);
const operation = fc.oneof(
  fc.record({ type: fc.constant('add' as const), key, delayMs }),
  fc.record({ type: fc.constant('urgent' as const), key, delayMs }),
  fc.record({ type: fc.constant('retry' as const), key }),
  fc.record({ type: fc.constant('end' as const), key }),
  fc.record({ type: fc.constant('fail' as const), key }),
  fc.record({ type: fc.constant('forget' as const), key }),
  fc.record({ type: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 60 }) }),
);

type Operation = typeof operation extends fc.Arbitrary<infer V> ? V : never;

/** What was asked for each key and not started since, kept apart from the queue's own books. */
class Model {
  /** No pass before. A back-off counts with the least it can be. */
  readonly notBeforeMs = new Map<string, number>();
  /** Due by this time, without back-offs. */
  readonly dueMs = new Map<string, number>();
  readonly urgent = new Set<string>();

  add(key: string, dueMs: number): void {
    this.notBeforeMs.set(key, Math.min(this.notBeforeMs.get(key) ?? Infinity, dueMs));
    this.dueMs.set(key, Math.min(this.dueMs.get(key) ?? Infinity, dueMs));
  }

  backOff(key: string, leastDueMs: number): void {
    this.notBeforeMs.set(key, Math.min(this.notBeforeMs.get(key) ?? Infinity, leastDueMs));
  }

  start(key: string): void {
    this.notBeforeMs.delete(key);
    this.dueMs.delete(key);
    this.urgent.delete(key);
  }
}

type SetUp = ReturnType<typeof setUp>;
const LEAST_BACKOFF_MS = 50;
const WORKERS = 4;

function runWithModel({ queue, handler, clock, running, violations }: SetUp, model: Model): void {
  queue.run((name) => {
    const notBeforeMs = model.notBeforeMs.get(name);
    if (notBeforeMs === undefined) violations.push(`${name} was not asked for`);
    else if (clock.monotonicMs() < notBeforeMs) violations.push(`${name} started early`);
    if (running.size >= WORKERS) violations.push('too many workers');
    const waiting = [...model.urgent].filter(
      (other) => (model.dueMs.get(other) ?? Infinity) <= clock.monotonicMs() && !running.has(other),
    );
    if (waiting.length > 0 && !model.urgent.has(name)) {
      violations.push(`${name} started before urgent ${waiting.join(', ')}`);
    }
    model.start(name);
    return handler(name);
  });
}

async function perform(step: Operation, { queue, clock, running }: SetUp, model: Model) {
  const nowMs = clock.monotonicMs();
  switch (step.type) {
    case 'add':
      model.add(step.key, nowMs + step.delayMs);
      queue.add(step.key, { delayMs: step.delayMs });
      break;
    case 'urgent':
      model.add(step.key, nowMs + step.delayMs);
      model.urgent.add(step.key);
      queue.add(step.key, { delayMs: step.delayMs, priority: 'urgent' });
      break;
    case 'retry':
      model.backOff(step.key, nowMs + LEAST_BACKOFF_MS);
      queue.retry(step.key);
      break;
    case 'fail':
      if (running.has(step.key)) model.backOff(step.key, nowMs + LEAST_BACKOFF_MS);
      running.get(step.key)?.fail();
      break;
    case 'end':
      running.get(step.key)?.end();
      break;
    case 'forget':
      queue.forget(step.key);
      break;
    case 'advance':
      await clock.advance(step.ms);
      break;
  }
  // A batch of adds in one turn is possible too: only the passing of time lets the queue go on.
  if (step.type !== 'add' && step.type !== 'urgent') await settle();
}

describe('work queue under random interleavings', () => {
  it('never has two workers on a key, starts none early, urgent first, and loses none', () =>
    fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const test = setUp({ concurrency: 2, urgentConcurrency: 2 });
        const { clock, queue, running, violations } = test;
        const model = new Model();
        runWithModel(test, model);
        for (const step of operations) {
          await perform(step, test, model);
          if (step.type !== 'advance') continue;
          for (const name of model.urgent) {
            const due = (model.dueMs.get(name) ?? Infinity) <= clock.monotonicMs();
            const free = !running.has(name) && running.size < WORKERS;
            if (due && free) violations.push(`${name} is urgent, due and not started`);
          }
        }
        for (let round = 0; model.notBeforeMs.size > 0 && round < 100; round++) {
          for (const pass of running.values()) pass.end();
          await clock.advance(1000);
        }
        expect([...model.notBeforeMs.keys()], 'lost keys').to.deep.equal([]);
        for (const pass of running.values()) pass.end();
        await clock.advance(10_000);
        expect(violations).to.deep.equal([]);
        expect(running.size, 'passes nobody asked for').to.equal(0);
        expect(queue.stats()).to.include({ delayed: 0, processing: 0, normalReady: 0 });
      }),
      { numRuns: 300 },
    ));
});
