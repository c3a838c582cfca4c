// Shows a rollout in a terminal: one line that is drawn over while it moves, and a new one for each
// change. Without a terminal it prints the changes only.
import type { X0ttaDeployment } from '../../src/api/schema.ts';
import type { LoadReport } from '../../test/cluster/load/report.ts';
import type { Moment } from './record.ts';

export interface View {
  show(moment: Moment): void;
  /** Leaves the cursor on a line of its own. */
  end(): void;
}

const recentSeconds = 2;
const barWidth = 20;

/** Reads a moment from the object and from what the clients of v2 saw. */
export function momentOf({ status }: X0ttaDeployment, report: LoadReport, seconds: number): Moment {
  const signal = status?.signals?.find(({ name }) => name === 'errorRate');
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return {
    seconds,
    phase: status?.phase ?? '',
    reason: ready?.reason ?? '',
    weight: status?.canary?.weight ?? 0,
    errorRatio: errorRatioOf(report),
    level: signal?.level ?? 'Unknown',
    hold: holdOf(signal?.since, signal?.holdUntil),
  };
}

function errorRatioOf({ timeline }: LoadReport): number | null {
  const last = timeline.at(-1)?.second ?? 0;
  let requests = 0;
  let failed = 0;
  for (const { second, versions } of timeline) {
    if (second < last - recentSeconds || second === last) continue;
    requests += versions['v2']?.requests ?? 0;
    failed += versions['v2']?.failed ?? 0;
  }
  return requests === 0 ? null : failed / requests;
}

function holdOf(since: string | undefined, until: string | undefined): Moment['hold'] {
  if (since === undefined || until === undefined) return null;
  const of = (Date.parse(until) - Date.parse(since)) / 1000;
  const seconds = (Date.now() - Date.parse(since)) / 1000;
  return { seconds: Math.min(seconds, of), of };
}

export function createView(out: NodeJS.WriteStream): View {
  let shown = '';
  let open = false;
  return {
    show: (moment) => {
      const change = `${moment.phase} ${moment.reason} ${moment.weight} ${moment.level}`;
      const isChange = change !== shown;
      shown = change;
      if (!out.isTTY && !isChange) return;
      if (open) out.write(isChange ? '\n' : '\r\u001b[2K');
      out.write(lineOf(moment));
      open = out.isTTY;
      if (!open) out.write('\n');
    },
    end: () => {
      if (open) out.write('\n');
      open = false;
    },
  };
}

function lineOf({ seconds, phase, reason, weight, errorRatio, level, hold }: Moment): string {
  const filled = Math.round((weight / 100) * barWidth);
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  const errors = errorRatio === null ? '   –' : `${(100 * errorRatio).toFixed(0).padStart(3)}%`;
  const held = hold === null ? '' : `  held ${hold.seconds.toFixed(0)} of ${hold.of.toFixed(0)} s`;
  return (
    `${seconds.toFixed(1).padStart(6)} s  canary ${bar} ${String(weight).padStart(3)}%  ` +
    `errors ${errors}  ${level.padEnd(8)}  ${phase} (${reason})${held}`
  );
}
