// The recorder of Events: what is sent, what is cut, what is dropped, and that nobody waits.
import { expect } from 'chai';
import type { X0ttaDeployment } from '../../src/api/schema.ts';
import { createEventRecorder, microTime } from '../../src/kube/events.ts';
import { KubeError } from '../../src/kube/errors.ts';
import type { EventRecord } from '../../src/kube/port.ts';
import type { KubeClient, KubeRequest } from '../../src/kube/transport.ts';
import { FakeClock, settle } from '../runtime/fakeClock.ts';

const EVENT: EventRecord = {
  type: 'Warning',
  reason: 'RolledBack',
  action: 'Rollback',
  note: 'errors held above 10 % for 5 minutes',
};

const SUBJECT = { apiVersion: 'x0tta.io/v1alpha1', kind: 'X0ttaDeployment' };

function objectNamed(name: string): X0ttaDeployment {
  const metadata = { name, namespace: 'mesh', uid: 'u1', resourceVersion: '1' };
  return { metadata } as unknown as X0ttaDeployment;
}

const object = objectNamed('control-plane');

interface SentBody {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly note: string;
  readonly reason: string;
  readonly action: string;
}

function setUp() {
  const sent: { readonly request: KubeRequest; readonly answer: PromiseWithResolvers<unknown> }[] =
    [];
  const client: KubeClient = {
    request<T>(request: KubeRequest): Promise<T> {
      const answer = Promise.withResolvers<unknown>();
      sent.push({ request, answer });
      return answer.promise as Promise<T>;
    },
    watch: () => Promise.resolve({ type: 'closed' }),
  };
  const log: string[] = [];
  let dropped = 0;
  const recorder = createEventRecorder({
    client,
    clock: new FakeClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
    log: (level, message) => log.push(`${level}: ${message}`),
    onDropped: () => dropped++,
    reportingInstance: 'operator-0',
  });
  const bodyOf = (index: number): SentBody => sent[index]?.request.body as SentBody;
  return { recorder, sent, log, bodyOf, dropped: () => dropped };
}

describe('event recorder', () => {
  it('writes an events.k8s.io/v1 Event in the namespace of its object', () => {
    const { recorder, sent, bodyOf } = setUp();
    recorder.tell(object, EVENT);
    const { name } = bodyOf(0).metadata;
    expect(name).to.match(/^control-plane\.[0-9a-f]+\.[0-9a-f]+$/);
    expect(sent[0]?.request).to.include({
      method: 'POST',
      path: '/apis/events.k8s.io/v1/namespaces/mesh/events',
    });
    expect(sent[0]?.request.body).to.deep.equal({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace: 'mesh', name },
      eventTime: '2026-01-02T03:04:05.678000Z',
      ...EVENT,
      regarding: { ...SUBJECT, name: 'control-plane', namespace: 'mesh', uid: 'u1' },
      reportingController: 'x0tta.io/operator',
      reportingInstance: 'operator-0',
    });
  });

  it('names no two alike within a millisecond', async () => {
    const { recorder, sent, bodyOf } = setUp();
    recorder.tell(object, EVENT);
    recorder.tell(object, EVENT);
    sent[0]?.answer.resolve({});
    await settle();
    expect(bodyOf(0).metadata.name).to.not.equal(bodyOf(1).metadata.name);
  });

  it('cuts texts to what the API takes, in bytes, between characters', () => {
    const { recorder, bodyOf } = setUp();
    recorder.tell(objectNamed(`${'n'.repeat(219)}.${'n'.repeat(33)}`), {
      ...EVENT,
      note: `x${'я'.repeat(2000)}`,
      reason: 'R'.repeat(200),
      action: 'A'.repeat(200),
    });
    expect(bodyOf(0).note).to.equal(`x${'я'.repeat(511)}`);
    expect(bodyOf(0).reason).to.have.length(128);
    expect(bodyOf(0).action).to.have.length(128);
    expect(bodyOf(0).metadata.name).to.match(/^n{219}\.[0-9a-f]+\.[0-9a-f]+$/);
  });

  it('sends one at a time, logs a failure and goes on', async () => {
    const { recorder, sent, log, dropped } = setUp();
    recorder.tell(object, EVENT);
    recorder.tell(object, EVENT);
    await settle();
    expect(sent).to.have.length(1);
    sent[0]?.answer.reject(
      new KubeError('no', { kind: 'terminal', status: 403, reason: 'Forbidden' }),
    );
    await settle();
    expect(sent).to.have.length(2);
    expect(log).to.deep.equal(['warn: an Event could not be written']);
    expect(dropped()).to.equal(1);
  });

  it('drops what does not fit in the queue, and says so', async () => {
    const { recorder, sent, log, dropped } = setUp();
    for (let i = 0; i < 300; i++) recorder.tell(object, EVENT);
    expect(log).to.have.length(300 - 257);
    expect(dropped()).to.equal(300 - 257);
    for (let i = 0; i < sent.length; i++) {
      sent[i]?.answer.resolve({});
      await settle();
    }
    expect(sent).to.have.length(257);
  });

  it('sends what waits before it stops, and takes no more', async () => {
    const { recorder, sent } = setUp();
    recorder.tell(object, EVENT);
    recorder.tell(object, EVENT);
    let stopped = false;
    const done = recorder.stop().then(() => (stopped = true));
    recorder.tell(object, EVENT);
    sent[0]?.answer.resolve({});
    await settle();
    expect(stopped).to.equal(false);
    sent[1]?.answer.resolve({});
    await done;
    expect(sent).to.have.length(2);
  });

  it('stamps times with six digits of a second', () => {
    expect(microTime(0)).to.equal('1970-01-01T00:00:00.000000Z');
  });
});
