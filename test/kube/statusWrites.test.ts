// What is counted and told of statuses that could not be written.
import { expect } from 'chai';
import type { Status } from '../../src/api/schema.ts';
import { errorFromStatus, KubeError } from '../../src/kube/errors.ts';
import type { ClusterWrites, Precondition, WriteResult } from '../../src/kube/port.ts';
import { watchStatusWrites } from '../../src/kube/statusWrites.ts';

type Result = WriteResult<never>;

const failed = (error: Error): Result => ({ kind: 'failed', error });
const answered = (status: number, reason: string): Result =>
  failed(errorFromStatus(status, { reason, message: `words of ${reason}` }, false));
const own = (reason: string): Result =>
  failed(new KubeError(`ours: ${reason}`, { kind: 'retryable', status: 0, reason }));

describe('statuses that can not be written', () => {
  let counted: string[];
  let logged: unknown[];
  let result: Result;
  let writes: ClusterWrites;

  beforeEach(() => {
    [counted, logged] = [[], []];
    writes = watchStatusWrites({
      writes: { writeStatus: async () => result } as unknown as ClusterWrites,
      log: (level, _, fields) => void logged.push([level, fields]),
      onFailure: (reason) => void counted.push(reason),
    });
  });

  const write = async (name: string, next: Result): Promise<void> => {
    result = next;
    const which: Precondition = { namespace: 'mesh', name, uid: name, resourceVersion: null };
    const status: Status = {};
    expect(await writes.writeStatus(which, status)).to.equal(result);
  };

  for (const [title, failure, reason] of [
    ['one that is refused', { kind: 'refused', message: 'too long' }, 'Invalid'],
    ['one without permission', answered(403, 'Forbidden'), 'Forbidden'],
    ['one at a bad time', answered(429, 'TooManyRequests'), 'TooManyRequests'],
    ['one without an answer', own('Network'), 'Network'],
    ['one without an answer in time', own('Timeout'), 'Network'],
    ['one that was given up by a fault', failed(new Error('odd')), 'Other'],
  ] as const) {
    it(`count ${title} as ${reason}`, async () => {
      await write('shop', failure);
      expect(counted).to.deep.equal([reason]);
    });
  }

  for (const [title, other] of [
    ['was written', { kind: 'done', object: undefined as never }],
    ['met another writer', { kind: 'conflict', message: 'changed' }],
    ['is of a deleted object', { kind: 'missing', message: 'gone' }],
    ['must not be sent any more', own('NotLeading')],
  ] as const) {
    it(`are none when the status ${title}`, async () => {
      await write('shop', other);
      expect([counted, logged]).to.deep.equal([[], []]);
    });
  }

  it('are told once for each object and reason, until one could be written', async () => {
    for (let i = 0; i < 3; i++) {
      await write('shop', answered(403, 'Forbidden'));
      await write('mesh', answered(403, 'Forbidden'));
    }
    await write('shop', answered(503, 'ServiceUnavailable'));
    await write('shop', { kind: 'done', object: undefined as never });
    await write('shop', answered(503, 'ServiceUnavailable'));
    expect(counted).to.have.lengthOf(8);
    const forbidden = { reason: 'Forbidden', error: 'words of Forbidden' };
    const busy = { reason: 'ServiceUnavailable', error: 'words of ServiceUnavailable' };
    expect(logged).to.deep.equal([
      ['warn', { namespace: 'mesh', name: 'shop', ...forbidden }],
      ['warn', { namespace: 'mesh', name: 'mesh', ...forbidden }],
      ['warn', { namespace: 'mesh', name: 'shop', ...busy }],
      ['warn', { namespace: 'mesh', name: 'shop', ...busy }],
    ]);
  });
});
