// What a soak has come to, as rows of docs/benchmarks.md. It runs nothing.
import type { Row } from './table.ts';

/** Windows of minutes, of thirty, whose mean memory is compared. */
const early = [10, 15] as const;
const late = [25, 30] as const;
const mayGrow = 1.05;

/** A revision whose truth is known, and what became of it. */
export interface Outcome {
  readonly key: string;
  readonly version: string;
  readonly isBad: boolean;
  readonly wrong: string | null;
}

export interface Left {
  readonly pid: number;
  readonly heapUsed: number;
  readonly resident: number;
}

export interface MemorySample extends Left {
  /** Of the soak, of thirty minutes. */
  readonly minute: number;
}

/** What a soak has seen. */
export interface Course {
  readonly outcomes: readonly Outcome[];
  readonly samples: readonly MemorySample[];
  /** Rollouts that were due while every object that rolls was busy. */
  readonly missed: number;
  /** Restarts that were due and did not come. */
  readonly notRestarted: number;
  /** Times that a replica ended on its own. */
  readonly replicasEnded: number;
  /** Objects that are at the end neither Stable nor RolledBack. */
  readonly unsettled: number;
}

function countRow(what: string, unit: string, value: number): Row {
  return {
    part: 'soak',
    what,
    unit,
    samples: [value],
    limit: { text: 'none', holds: value === 0 },
  };
}

/**
 * The early and the late window of one process. One that began in between would hide what the one
 * before it had kept.
 */
function memoryRows(samples: readonly MemorySample[]): readonly Row[] {
  const inWindow = ([from, to]: readonly [number, number]): readonly MemorySample[] =>
    samples.filter(({ minute }) => minute >= from && minute < to);
  const [first, last] = [inWindow(early), inWindow(late)];
  const leaders = new Set([...first, ...last].map(({ pid }) => pid)).size;
  const mean = (window: readonly MemorySample[], name: 'heapUsed' | 'resident'): number =>
    window.reduce((sum, sample) => sum + sample[name], 0) / window.length / 2 ** 20;
  const rows = (['heapUsed', 'resident'] as const).flatMap((name): readonly Row[] => {
    const what = name === 'heapUsed' ? "leader's heap in use" : "leader's resident memory";
    const [before, after] = [mean(first, name), mean(last, name)];
    const row = (when: string, unit: string, value: number): Row => {
      return {
        part: 'soak',
        what: `${what}, after a full collection, ${when}`,
        unit,
        samples: [value],
      };
    };
    const ratio = after / before;
    const limit = { text: `at most ${mayGrow}`, holds: leaders === 1 && ratio <= mayGrow };
    return [
      row(`minutes ${early.join(' to ')}`, 'MiB', before),
      row(`minutes ${late.join(' to ')}`, 'MiB', after),
      { ...row('late over early', 'ratio', ratio), limit },
    ];
  });
  return [...rows, countRow('leaders beside the first, in both windows', 'leaders', leaders - 1)];
}

export function rowsOf(course: Course): readonly Row[] {
  const { outcomes, samples, missed, notRestarted, replicasEnded, unsettled } = course;
  const bad = outcomes.filter(({ isBad }) => isBad).length;
  const wrong = outcomes.filter((outcome) => outcome.wrong !== null).length;
  const seen = (what: string, unit: string, value: number): Row => {
    return { part: 'soak', what, unit, samples: [value] };
  };
  return [
    seen('revisions that were good', 'rollouts', outcomes.length - bad),
    seen('revisions that were bad', 'rollouts', bad),
    countRow('wrong verdicts, and rollouts that were stuck', 'rollouts', wrong),
    countRow('objects neither Stable nor RolledBack at the end', 'objects', unsettled),
    countRow('rollouts that were due and did not begin', 'rollouts', missed),
    countRow('restarts of API server and Prometheus that did not come', 'restarts', notRestarted),
    seen('times that a replica ended on its own', 'exits', replicasEnded),
    ...memoryRows(samples),
  ];
}
