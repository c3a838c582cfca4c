// The sample workload's decisions over time, on a clock of the test's own.

import { expect } from 'chai';
import fc from 'fast-check';

import { Behaviour } from '../cluster/workload/behaviour.ts';
import { INITIAL_SETTINGS } from '../cluster/workload/settings.ts';
import type { Settings } from '../cluster/workload/settings.ts';

interface Timed {
  readonly behaviour: Behaviour;
  readonly advance: (seconds: number) => void;
}

function behave(settings: Partial<Settings>): Timed {
  let nowMs = 5_000;
  const behaviour = new Behaviour({ ...INITIAL_SETTINGS, ...settings }, () => nowMs);
  const advance = (seconds: number): void => {
    nowMs += seconds * 1000;
  };
  return { behaviour, advance };
}

function failuresOf(behaviour: Behaviour, requests: number): number {
  return Array.from({ length: requests }, () => behaviour.nextRequest()).filter(
    ({ failed }) => failed,
  ).length;
}

describe('the behaviour of the sample workload', () => {
  it('fails the exact share of requests for which it was set', () => {
    for (const percent of [0, 1, 3, 10, 30, 50, 99, 100]) {
      const { behaviour } = behave({ errorRatio: percent / 100 });
      for (let round = 0; round < 5; round += 1) {
        expect(failuresOf(behaviour, 100), `${percent} %, round ${round}`).to.equal(percent);
      }
    }
  });

  it('keeps any stretch of requests within one of its share', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(200),
        fc.integer({ min: 1, max: 200 }),
        (errorRatio, before, length) => {
          const { behaviour } = behave({ errorRatio });
          failuresOf(behaviour, before);
          expect(failuresOf(behaviour, length)).to.be.closeTo(length * errorRatio, 1 + 1e-6);
        },
      ),
    );
  });

  it('begins errors late and ends them by itself', () => {
    const { behaviour, advance } = behave({
      errorRatio: 1,
      errorAfterSeconds: 10,
      errorForSeconds: 5,
    });
    const seen: boolean[] = [];
    for (const seconds of [0, 9.9, 0.1, 4.9, 0.1]) {
      advance(seconds);
      seen.push(behaviour.nextRequest().failed);
    }
    expect(seen).to.deep.equal([false, false, true, true, false]);
  });

  it('counts the share of errors from when they begin', () => {
    const { behaviour, advance } = behave({ errorRatio: 0.5, errorAfterSeconds: 10 });
    expect(failuresOf(behaviour, 7)).to.equal(0);
    advance(10);
    expect(failuresOf(behaviour, 2)).to.equal(1);
  });

  it('slows the share of requests that is to be slow', () => {
    const { behaviour } = behave({ latencyMs: 800, latencyRatio: 0.1 });
    const latencies = Array.from({ length: 50 }, () => behaviour.nextRequest().latencyMs);
    expect(latencies.filter((ms) => ms === 800)).to.have.length(5);
    expect(latencies.filter((ms) => ms === 0)).to.have.length(45);
  });

  it('grows its memory steadily up to the maximum', () => {
    const { behaviour, advance } = behave({ memoryMbPerSecond: 10, memoryMaxMb: 25 });
    expect(behaviour.memoryBytes()).to.equal(0);
    advance(2);
    expect(behaviour.memoryBytes()).to.equal(20e6);
    advance(60);
    expect(behaviour.memoryBytes()).to.equal(25e6);
  });

  it('crashes when it is due and not before, and never when unset', () => {
    const { behaviour, advance } = behave({ crashAfterSeconds: 3 });
    advance(2.9);
    expect(behaviour.isCrashDue()).to.equal(false);
    advance(0.1);
    expect(behaviour.isCrashDue()).to.equal(true);
    const steady = behave({});
    steady.advance(1e6);
    expect(steady.behaviour.isCrashDue()).to.equal(false);
  });

  it('counts handshake failures by time and keeps the count across changes', () => {
    const { behaviour, advance } = behave({ pqcFailuresPerSecond: 0.5 });
    advance(7);
    expect(behaviour.handshakeFailures()).to.equal(3);
    behaviour.change({ pqcFailuresPerSecond: 0 });
    advance(100);
    expect(behaviour.handshakeFailures()).to.equal(3);
    behaviour.change({ pqcFailuresPerSecond: 2 });
    advance(1);
    expect(behaviour.handshakeFailures()).to.equal(5);
  });

  it('starts its times and shares anew with a change, and keeps what the change leaves out', () => {
    const { behaviour, advance } = behave({ errorRatio: 1, latencyMs: 5, crashAfterSeconds: 10 });
    advance(9);
    behaviour.change({ errorRatio: 0.5 });
    advance(9);
    expect(behaviour.isCrashDue()).to.equal(false);
    expect(behaviour.settings).to.include({ errorRatio: 0.5, latencyMs: 5 });
    expect(failuresOf(behaviour, 10)).to.equal(5);
  });
});
