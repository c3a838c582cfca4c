// One look at a server: which queries a set of canaries needs, asked each once, and the evidence
// that their answers give. It keeps nothing and knows no timer.
import type { ResolvedSignal } from '../api/defaults.ts';
import type {
  Absence,
  EvidenceTarget,
  RawPoints,
  RevisionEvidence,
  SignalEvidence,
} from '../core/evidence.ts';
import { at, byRevision, distrust, latencyPoints, requestPoints } from './rows.ts';
import { revisionKey, since, valuePoints } from './rows.ts';
import type { Points, RevisionName } from './rows.ts';
import { absence } from './port.ts';
import type { MetricAnswer, MetricRow, MetricSource, ServerSettings } from './port.ts';
import { freshnessQuery, latencyQuery, requestsQuery } from './queries.ts';
import type { Scope } from './queries.ts';
import { chooseWindow, gridCeil, gridFloor, horizonOf, leastWindowMs } from './windows.ts';

/** A canary to look at. */
export interface Subject {
  readonly target: EvidenceTarget;
  readonly signals: readonly ResolvedSignal[];
  /** Every pod that was listed in this attempt. */
  readonly pods: ReadonlySet<string>;
  /** What was known before: an absence goes on from when it began. */
  readonly evidence: RevisionEvidence | null;
}

export interface Server {
  readonly source: MetricSource;
  readonly settings: ServerSettings;
}

/** Below Prometheus' 11,000 points a series, of which longer ranges take every second or third. */
const mostPoints = 10_900;
/** Queries under way at a time. */
const concurrency = 4;

interface Answered {
  readonly answer: MetricAnswer;
  /** Read by built-in signals only. */
  readonly revisions: ReadonlyMap<string, readonly MetricRow[]>;
}
type Answers = ReadonlyMap<string, Answered>;
type Ask = () => Promise<MetricAnswer>;

/** The newest point of each signal of each subject, by queries that the whole fleet shares. */
export async function lookAtFleet(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<readonly RevisionEvidence[]> {
  const namespaces = [...new Set(subjects.map(({ target }) => target.namespace))];
  const scopeOf = (): Scope => ({ kind: 'namespaces', namespaces });
  const asks = new Map<string, Ask>();
  for (const subject of subjects) {
    for (const query of queriesOf(subject, scopeOf(), server)) {
      asks.set(query, () => server.source.instant(query, atMs));
    }
  }
  const answers = await askAll(asks);
  return subjects.map((subject) =>
    evidenceOf(subject, scopeOf(), server, answers, { atMs, stepMs: null }),
  );
}

/** Every point that the subjects' holds need, up to atMs, by one query for each namespace. */
export async function lookBack(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<readonly RevisionEvidence[]> {
  const { source, settings } = server;
  const scopes = scopesOf(subjects);
  const startMs = Math.min(...subjects.map((subject) => startOf(subject, settings, atMs)));
  const steps = Math.ceil((atMs - startMs) / settings.scrapeIntervalMs / mostPoints);
  const stepMs = settings.scrapeIntervalMs * Math.max(1, steps);
  const asks = new Map<string, Ask>();
  for (const subject of subjects) {
    const scope = scopes(subject);
    const freshness = freshnessQuery(scope, settings.matchers);
    for (const query of queriesOf(subject, scope, server)) {
      const ask =
        query === freshness
          ? () => source.instant(query, atMs)
          : () => source.range(query, gridCeil(startMs, stepMs), gridFloor(atMs, stepMs), stepMs);
      asks.set(query, ask);
    }
  }
  const answers = await askAll(asks);
  return subjects.map((subject) =>
    evidenceOf(subject, scopes(subject), server, answers, { atMs, stepMs }),
  );
}

/** The subjects of one namespace share their queries. */
function scopesOf(subjects: readonly Subject[]): (subject: Subject) => Scope {
  const scopes = new Map(
    [...Map.groupBy(subjects, ({ target }) => target.namespace)].map(([namespace, own]) => {
      const replicaSets = own.map(({ target }) => target.canaryReplicaSet);
      const scope: Scope = { kind: 'replicaSets', namespace, replicaSets };
      return [namespace, scope];
    }),
  );
  return ({ target }) => {
    const { namespace, canaryReplicaSet } = target;
    const alone = { kind: 'replicaSets', namespace, replicaSets: [canaryReplicaSet] } as const;
    return scopes.get(namespace) ?? alone;
  };
}

/** The first time whose points can matter. */
function startOf({ target, signals }: Subject, settings: ServerSettings, atMs: number): number {
  const horizonMs = horizonOf(signals, target.stepHoldSeconds);
  const oldestMs = Math.max(target.attemptStartMs, atMs - horizonMs);
  return Math.min(gridFloor(oldestMs, settings.scrapeIntervalMs), atMs);
}

function queriesOf({ signals }: Subject, scope: Scope, server: Server): string[] {
  const own = signals.map((signal) => queryOf(signal, scope, server));
  return [freshnessQuery(scope, server.settings.matchers), ...own];
}

function queryOf(signal: ResolvedSignal, scope: Scope, { settings }: Server): string {
  const windowMs = windowOf(signal, settings);
  switch (signal.kind) {
    case 'errorRate':
      return requestsQuery(scope, settings.matchers, windowMs);
    case 'latencyP95':
      return latencyQuery(scope, settings.matchers, windowMs);
    case 'custom':
      return signal.query ?? '';
  }
}

/** A policy that can't be judged blocks the advance; its signals show the least window. */
function windowOf(signal: ResolvedSignal, { scrapeIntervalMs }: ServerSettings): number {
  const choice = chooseWindow(signal, scrapeIntervalMs);
  return choice.ok ? choice.windowMs : leastWindowMs(scrapeIntervalMs);
}

async function askAll(asks: ReadonlyMap<string, Ask>): Promise<Answers> {
  const answers = new Map<string, Answered>();
  const waiting = asks.entries();
  const work = async (): Promise<void> => {
    for (const [query, ask] of waiting) {
      const answer = await ask();
      answers.set(query, { answer, revisions: byRevision(answer.ok ? answer.rows : []) });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return answers;
}

interface Moment {
  readonly atMs: number;
  /** Between the points of a range; null for an instant. */
  readonly stepMs: number | null;
}

function evidenceOf(
  subject: Subject,
  scope: Scope,
  server: Server,
  answers: Answers,
  moment: Moment,
): RevisionEvidence {
  const distrusted = distrustOf(subject, scope, server, answers, moment.atMs);
  const signals = subject.signals.map((signal) => {
    const query = queryOf(signal, scope, server);
    const windowMs = windowOf(signal, server.settings);
    const points = pointsOf(signal, subject, answers.get(query));
    const absent = signal.kind === 'custom' ? null : distrusted;
    const evidence =
      absent === null && points.ok
        ? known(points.points, subject, { query, windowMs, ...moment }, server.settings)
        : absentEvidence(signal, subject, absent ?? absenceOf(points), query, moment.atMs);
    return [signal.name, evidence] as const;
  });
  return { observedAtMs: moment.atMs, signals: Object.fromEntries(signals) };
}

const unasked = absence('noData', 'NotYetAsked', 'The metric server has not been asked yet.');

function absenceOf(points: Points): Absence {
  return points.ok ? unasked : points.absence;
}

function nameOf({ target }: Subject): RevisionName {
  return { namespace: target.namespace, replicaSet: target.canaryReplicaSet };
}

function pointsOf(signal: ResolvedSignal, subject: Subject, answered?: Answered): Points {
  if (answered === undefined) return { ok: false, absence: unasked };
  const { answer, revisions } = answered;
  if (!answer.ok) return answer;
  const revision = nameOf(subject);
  const own = revisions.get(revisionKey(revision)) ?? [];
  switch (signal.kind) {
    case 'errorRate':
      return requestPoints(own, revision.replicaSet);
    case 'latencyP95':
      return latencyPoints(own);
    case 'custom':
      return valuePoints(answer.rows, revision);
  }
}

function distrustOf(
  subject: Subject,
  scope: Scope,
  { settings }: Server,
  answers: Answers,
  atMs: number,
): Absence | null {
  const answered = answers.get(freshnessQuery(scope, settings.matchers));
  if (answered === undefined) return unasked;
  if (!answered.answer.ok) return answered.answer.absence;
  const own = answered.revisions.get(revisionKey(nameOf(subject))) ?? [];
  const oldestMs = atMs - 2 * settings.scrapeIntervalMs - settings.lagMs;
  return distrust(own, subject.target.canaryReplicaSet, subject.pods, atMs, oldestMs);
}

function known(
  raw: RawPoints,
  { target }: Subject,
  how: Moment & { readonly query: string; readonly windowMs: number },
  { scrapeIntervalMs }: ServerSettings,
): SignalEvidence {
  const { atMs, query, windowMs } = how;
  const points = since(raw, target.attemptStartMs, windowMs);
  const stepMs = how.stepMs ?? scrapeIntervalMs;
  return {
    state: 'known',
    latest: at(points, gridFloor(atMs, stepMs)),
    history: how.stepMs === null ? null : points,
    windowSeconds: windowMs / 1000,
    stepSeconds: stepMs / 1000,
    query,
  };
}

function absentEvidence(
  signal: ResolvedSignal,
  { evidence }: Subject,
  why: Absence,
  query: string,
  atMs: number,
): SignalEvidence {
  const before = evidence?.signals[signal.name];
  const sinceMs = before?.state === 'absent' ? before.sinceMs : atMs;
  return { state: 'absent', absence: why, sinceMs, query };
}
