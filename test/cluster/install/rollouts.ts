// What an installed operator must do, however it was installed: a good revision becomes stable, and
// a bad one is rolled back by the Pods.
import { expect } from 'chai';
import type { Status } from '../../../src/api/schema.ts';
import type { SpecChange, Stage } from '../scenarios/stage.ts';

/** A step that outlasts what a test does in it. */
export const longStep: SpecChange = {
  canary: { steps: [{ weight: 20, hold: '10m' }], drainDelay: '2s' },
};

/** Good for some seconds, so that a canary gets its weight before it is bad. */
export function badVersion(stage: Stage, seconds = 8): object {
  const env = { ERROR_RATIO: '0.5', ERROR_AFTER_SECONDS: String(seconds) };
  return stage.template('v2', env);
}

export async function becomesStable(stage: Stage, change: SpecChange = longStep): Promise<void> {
  await stage.applyAll(stage.template('v1'), change);
  const status = await stage.phase('Stable');
  expect(status.ready).to.equal('2/2');
}

/** Waits for the rollback of a canary that fails requests, and returns the status. */
export async function isRolledBack(stage: Stage): Promise<Status> {
  const status = await stage.phase('RolledBack', 120_000);
  expect(status.incidents?.[0]).to.include({ alert: 'HIGH_ERROR_RATE', signal: 'errorRate' });
  expect(await stage.weights()).to.deep.equal([100, 0]);
  return status;
}

/** A canary that is bad gets its weight, and loses it. */
export async function rollsBadCanaryBack(stage: Stage): Promise<void> {
  await becomesStable(stage);
  const load = await stage.startLoad(60);
  try {
    await stage.apply(badVersion(stage), longStep);
    await stage.canaryAt(20);
    await isRolledBack(stage);
  } finally {
    await load.stop();
  }
}
