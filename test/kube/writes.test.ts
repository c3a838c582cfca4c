// The writes: what each is conditional on, and what each answer of the API server comes to.
import { expect } from 'chai';
import { errorFromStatus, KubeError } from '../../src/kube/errors.ts';
import type { KubeRequest } from '../../src/kube/transport.ts';
import { createWrites } from '../../src/kube/writes.ts';

const which = { namespace: 'mesh', name: 'shop-b', uid: 'uid-1', resourceVersion: '7' };
const body = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: {
    name: 'shop-b',
    namespace: 'mesh',
    ownerReferences: [
      {
        apiVersion: 'x0tta.io/v1alpha1',
        kind: 'X0ttaDeployment',
        name: 'shop',
        uid: 'uid-shop',
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  },
  spec: {},
} as const;

function refusal(code: number, reason: string, message: string): Error {
  const status = { kind: 'Status', status: 'Failure', code, reason, message };
  return errorFromStatus(code, status, false);
}

describe('the writes', () => {
  let requests: KubeRequest[];
  let taken: unknown[];
  let answer: (request: KubeRequest) => unknown;
  const store = { applyOwnWrite: (object: unknown): void => void taken.push(object) };
  const writes = createWrites({
    client: {
      request: async <T>(request: KubeRequest): Promise<T> => {
        requests.push(request);
        return answer(request) as T;
      },
    },
    deployments: store,
    replicaSets: store,
    services: store,
  });

  beforeEach(() => {
    requests = [];
    taken = [];
    answer = () => ({ metadata: { name: 'shop-b' } });
  });

  const failing = (error: Error) => (): never => {
    throw error;
  };

  it('test the UID and the version that was read, and put the answer into the cache', async () => {
    const result = await writes.selectPods(which, { app: 'shop' });
    expect(result.kind).to.equal('done');
    expect(requests[0]?.body).to.deep.equal([
      { op: 'test', path: '/metadata/uid', value: 'uid-1' },
      { op: 'test', path: '/metadata/resourceVersion', value: '7' },
      { op: 'replace', path: '/spec/selector', value: { app: 'shop' } },
    ]);
    expect(taken).to.have.lengthOf(1);
  });

  it('write the status to its own subresource', async () => {
    await writes.writeStatus(which, { phase: 'Stable' });
    expect(requests[0]?.path).to.match(/x0ttadeployments\/shop-b\/status$/);
  });

  it('change annotations and size at once; a verdict needs no version', async () => {
    await writes.patchReplicaSet({ ...which, resourceVersion: null }, { a: 'b' }, 3);
    expect(requests).to.have.lengthOf(1);
    expect(requests[0]?.body).to.deep.equal({
      metadata: { uid: 'uid-1', annotations: { a: 'b' } },
      spec: { replicas: 3 },
    });
  });

  it('delete only what was read', async () => {
    await writes.deleteReplicaSet(which);
    expect(requests[0]).to.deep.include({ method: 'DELETE' });
    expect(requests[0]?.body).to.deep.include({
      propagationPolicy: 'Background',
      preconditions: { uid: 'uid-1', resourceVersion: '7' },
    });
  });

  const answers: readonly (readonly [number, string, string, string])[] = [
    [404, 'NotFound', 'gone', 'missing'],
    [409, 'Conflict', 'changed', 'conflict'],
    [422, 'Invalid', 'bad', 'refused'],
    [400, 'BadRequest', 'strict decoding error: unknown field', 'refused'],
    [400, 'BadRequest', 'something else', 'failed'],
    [403, 'Forbidden', 'quota', 'failed'],
    [500, 'InternalError', 'webhook', 'failed'],
  ];
  for (const [code, reason, message, kind] of answers) {
    it(`call ${code} ${reason} (${message}) ${kind}, and do not try again`, async () => {
      answer = failing(refusal(code, reason, message));
      expect((await writes.createService(body)).kind).to.equal(kind);
      expect(requests).to.have.lengthOf(1);
      expect(taken).to.deep.equal([]);
    });
  }

  it('call a lost connection failed', async () => {
    answer = failing(new Error('socket hang up'));
    const result = await writes.readService('mesh', 'shop');
    expect(result).to.deep.include({ kind: 'failed' });
  });

  const own = (reason: string): KubeError =>
    new KubeError('ours', { kind: 'retryable', status: 0, reason });
  for (const [what, error, reason] of [
    ['a missing permission', refusal(403, 'Forbidden', 'no'), 'Forbidden'],
    ['a bad time', refusal(429, 'TooManyRequests', 'later'), 'TooManyRequests'],
    ['an answer without a reason', refusal(502, '', 'bad gateway'), 'Other'],
    ['no answer', own('Network'), 'Network'],
    ['no answer in time', own('Timeout'), 'Network'],
    ['a lost lease', own('NotLeading'), 'NotLeading'],
    ['a fault', new Error('odd'), 'Other'],
  ] as const) {
    it(`name the reason of ${what}: ${reason}`, async () => {
      answer = failing(error);
      expect(await writes.readService('mesh', 'shop')).to.include({ kind: 'failed', reason });
    });
  }

  const seen = { 'x0tta.io/object': 'shop' };
  const exists =
    (owner: string, labels: object = seen) =>
    (request: KubeRequest) => {
      if (request.method === 'POST') throw refusal(409, 'AlreadyExists', 'exists');
      return { ...body, metadata: { ...body.metadata, labels, ownerReferences: [{ uid: owner }] } };
    };

  it('find the ReplicaSet that an answer was lost for', async () => {
    answer = exists('uid-shop');
    expect((await writes.createReplicaSet(body)).kind).to.equal('conflict');
    expect(taken).to.have.lengthOf(1);
  });

  it("call a name that is somebody else's taken", async () => {
    answer = exists('uid-other');
    expect((await writes.createReplicaSet(body)).kind).to.equal('taken');
    expect(taken).to.deep.equal([]);
  });

  it('call a ReplicaSet of ours taken that the watches can not see', async () => {
    answer = exists('uid-shop', {});
    const result = await writes.createReplicaSet(body);
    expect(result).to.deep.include({ kind: 'taken' });
    expect(result).to.have.property('message').that.includes('lost its label x0tta.io/object');
    expect(taken).to.deep.equal([]);
  });
});
