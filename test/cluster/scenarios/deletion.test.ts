// More on scenario 27 of docs/scenarios.md: the object goes while a canary is in traffic; also when
// its route is gone before, and when the whole namespace goes.
import { expect } from 'chai';
import { ApiError } from '../client.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { fieldOwners } from './fieldOwners.ts';
import { app, Stage } from './stage.ts';
import type { AuditedWrite } from '../auditLog.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

const change = { canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '0s' } };

describe('a deletion while a canary is in traffic', function () {
  this.timeout(120_000);
  let stage: Stage;
  let standIns: StandIns;
  let operator: OperatorHandle;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    stage = await Stage.open(cluster, 'deletion');
    operator = await stage.startOperator();
  });

  beforeEach(async () => {
    stage = await Stage.open(stage.cluster, 'deletion');
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'), change);
    await stage.canaryAt(20);
  });

  after(async () => {
    await operator.stop();
    await standIns.stop();
  });

  const deleteObject = async (): Promise<void> => {
    const { cluster, namespace } = stage;
    await cluster.kubectl(['delete', 'x0tta', app, '-n', namespace, '--timeout=60s']);
  };

  const gone = async (what: string, path: string): Promise<void> => {
    await waitFor(`the end of ${what}`, async () => {
      const answer = await stage.cluster.client.get(path).catch((error: unknown) => error);
      return answer instanceof ApiError && answer.status === 404;
    });
  };

  /**
   * What the operator made is owned by the object, so the garbage collector removes it; that learns
   * of a new kind of owner every half minute.
   */
  const childrenGone = async (): Promise<void> => {
    const path = `/api/v1/namespaces/${stage.namespace}/services`;
    for (const role of ['stable', 'canary']) await gone(`${app}-${role}`, `${path}/${app}-${role}`);
    await waitFor('no ReplicaSet and no pod', async () => {
      return (await stage.replicaSets()).length + (await stage.pods()).length === 0;
    });
  };

  const isOperators = ({ user }: AuditedWrite): boolean => user.username.endsWith(':x0tta');

  /** Where in the operator's writes the object's finalizer went, and where the canary's weight. */
  const endings = (): { readonly weight: number; readonly finalizer: number } => {
    const writes = stage.writes().filter(isOperators);
    const indexOf = (resource: string): number =>
      writes.findLastIndex(({ objectRef }) => {
        return objectRef.resource === resource && objectRef.subresource === undefined;
      });
    return { weight: indexOf('httproutes'), finalizer: indexOf('x0ttadeployments') };
  };

  it('puts the routes on stable before anything goes', async () => {
    await deleteObject();
    expect(await stage.weights()).to.deep.equal([100, 0]);
    expect(stage.weightChanges()).to.deep.equal([0, 20, 0]);
    const { weight, finalizer } = endings();
    expect(finalizer).to.be.above(weight);
    const { metadata } = await stage.readRoute();
    const left = Object.keys(metadata.annotations ?? {});
    expect(left.filter((name) => name.includes('x0tta.io'))).to.deep.equal([]);
    expect(await fieldOwners(stage)).to.not.include('x0tta');
    await childrenGone();
    // A route that stands on services which are gone is its owner's to remove, not ours.
    expect(await stage.weights()).to.deep.equal([100, 0]);
  });

  it('goes on when the route is gone already', async () => {
    await stage.cluster.client.delete(stage.routePath);
    await deleteObject();
    await childrenGone();
  });

  it('does not hold up the end of its namespace', async () => {
    const path = `/api/v1/namespaces/${stage.namespace}`;
    await stage.cluster.client.delete(path);
    await gone(`namespace ${stage.namespace}`, path);
  });
});
