// One look at a server: which queries a set of canaries needs, asked each once, and the evidence
// that their answers give. It keeps nothing and knows no timer.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Absence, EvidenceTarget, RawPoints } from '../core/evidence.ts';
import type { RevisionEvidence, SignalEvidence } from '../core/evidence.ts';
import { askAll } from './asking.ts';
import type { Answered, Answers, Question } from './asking.ts';
import { absence } from './port.ts';
import type { MetricAnswer, MetricSource, ServerSettings } from './port.ts';
import { freshnessQuery } from './queries.ts';
import type { Dialect, Scope } from './queries.ts';
import { at, byRevision, byService, distrust, revisionKey, serviceKey, since } from './rows.ts';
import type { Points, RowIndex } from './rows.ts';
import { dialectOf, lookedFor, nativeQueryOf, pointsOf, queryOf } from './signalQueries.ts';
import type { OwnRows } from './signalQueries.ts';
import { gridCeil, gridFloor, horizonOf } from './windows.ts';

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

interface Moment {
  readonly atMs: number;
  /** Between the points of a range; null for an instant. */
  readonly stepMs: number | null;
  /** The first point of a range; null for an instant. */
  readonly firstMs: number | null;
}

/** How the queries of one look are made and sent. */
interface Look extends Moment {
  readonly server: Server;
  readonly dialect: Dialect;
  /** `wide` takes stable's pods in as well. */
  readonly scopeOf: (subject: Subject, wide: boolean) => Scope;
  readonly send: (query: string) => Promise<MetricAnswer>;
}

/** The newest point of each signal of each subject, by queries that the whole fleet shares. */
export function lookAtFleet(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<readonly RevisionEvidence[]> {
  const namespaces = [...new Set(subjects.map(({ target }) => target.namespace))].toSorted();
  const scope: Scope = { kind: 'namespaces', namespaces };
  const send = (query: string): Promise<MetricAnswer> => server.source.instant(query, atMs);
  const dialect = dialectOf(server.settings);
  const how = { server, dialect, scopeOf: () => scope, send, atMs, stepMs: null, firstMs: null };
  return look(how, subjects);
}

/** Every point that the subjects' holds need, up to atMs, by one query for each namespace. */
export function lookBack(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<readonly RevisionEvidence[]> {
  const { source, settings } = server;
  const startMs = Math.min(...subjects.map((subject) => startOf(subject, settings, atMs)));
  const steps = Math.ceil((atMs - startMs) / settings.scrapeIntervalMs / mostPoints);
  const stepMs = settings.scrapeIntervalMs * Math.max(1, steps);
  const firstMs = gridCeil(startMs, stepMs);
  const send = (query: string): Promise<MetricAnswer> =>
    source.range(query, firstMs, gridFloor(atMs, stepMs), stepMs);
  const dialect = dialectOf(settings);
  const how = { server, dialect, scopeOf: scopesOf(subjects), send, atMs, stepMs, firstMs };
  return look(how, subjects);
}

/** The subjects of one namespace share their queries. */
function scopesOf(subjects: readonly Subject[]): Look['scopeOf'] {
  const byNamespace = Map.groupBy(subjects, ({ target }) => target.namespace);
  const scopes = new Map<string, Scope>();
  return ({ target: { namespace } }, wide) => {
    const key = `${wide} ${namespace}`;
    const known = scopes.get(key);
    if (known !== undefined) return known;
    const targets = (byNamespace.get(namespace) ?? []).map(({ target }) => target);
    const stable = wide ? targets.flatMap(({ stableReplicaSet }) => stableReplicaSet ?? []) : [];
    const scope: Scope = {
      kind: 'replicaSets',
      namespace,
      replicaSets: [...targets.map(({ canaryReplicaSet }) => canaryReplicaSet), ...stable],
      services: targets.map(({ service }) => service),
    };
    scopes.set(key, scope);
    return scope;
  };
}

/** The first time whose points can matter. */
function startOf({ target, signals }: Subject, settings: ServerSettings, atMs: number): number {
  const horizonMs = horizonOf(signals, target.stepHoldSeconds);
  const oldestMs = Math.max(target.attemptStartMs, atMs - horizonMs);
  return Math.min(gridFloor(oldestMs, settings.scrapeIntervalMs), atMs);
}

/** What part of a query's text differs with the namespaces that are asked about. */
type Build = (scope: Scope) => string;

async function look(how: Look, subjects: readonly Subject[]): Promise<readonly RevisionEvidence[]> {
  const first = new Map<string, Question>();
  for (const subject of subjects) {
    addFreshness(first, how, subject);
    for (const signal of subject.signals) {
      const { build, isWide } = queryOf(signal, how.dialect, how.stepMs !== null);
      add(first, how, subject, build, isWide, signal.kind !== 'custom');
    }
  }
  const answers = await askAll(first);
  const native = new Map<string, Question>();
  for (const subject of subjects) {
    for (const signal of subject.signals) {
      const build = nativeQueryOf(signal, how.dialect);
      const classic = answeredOf(answers, how, subject, signal);
      if (build === null || classic === undefined || !classic.answer.ok) continue;
      if (ownRows(classic, subject, 'canary').length === 0) {
        add(native, how, subject, build, false, true);
      }
    }
  }
  const more = native.size === 0 ? answers : new Map([...answers, ...(await askAll(native))]);
  return subjects.map((subject) => evidenceOf(subject, how, more));
}

/** Freshness is one moment's, also where the signals are asked for over a range. */
function addFreshness(questions: Map<string, Question>, how: Look, subject: Subject): void {
  const { source } = how.server;
  const build: Build = (scope) => freshnessQuery(scope, how.dialect);
  const instant = { ...how, send: (query: string) => source.instant(query, how.atMs) };
  add(questions, instant, subject, build, false, true);
}

function add(
  questions: Map<string, Question>,
  how: Look,
  subject: Subject,
  build: Build,
  isWide: boolean,
  isBuiltIn: boolean,
): void {
  const scope = how.scopeOf(subject, isWide);
  const key = build(scope);
  const { namespace } = subject.target;
  const known = questions.get(key);
  if (known !== undefined) {
    if (!known.namespaces.includes(namespace)) {
      questions.set(key, { ...known, namespaces: [...known.namespaces, namespace] });
    }
    return;
  }
  const isFleet = scope.kind === 'namespaces' && isBuiltIn;
  questions.set(key, {
    namespaces: isFleet ? scope.namespaces : [namespace],
    canBeHalved: isFleet,
    ask: (namespaces) => how.send(isFleet ? build({ kind: 'namespaces', namespaces }) : key),
    index: (answer) => indexOf(answer, how.dialect, isBuiltIn),
  });
}

/** Rows of a query of the user's are searched by labels of their own. */
function indexOf(answer: MetricAnswer, { profile, labels }: Dialect, isBuiltIn: boolean): RowIndex {
  if (!answer.ok || !isBuiltIn) return new Map();
  const { serviceLabel } = profile;
  const isByService =
    serviceLabel !== undefined && answer.rows.some((row) => row.labels[serviceLabel] !== undefined);
  return isByService ? byService(answer.rows, serviceLabel) : byRevision(answer.rows, labels);
}

function answeredOf(
  answers: Answers,
  how: Look,
  subject: Subject,
  signal: ResolvedSignal,
): Answered | undefined {
  const { build, isWide } = queryOf(signal, how.dialect, how.stepMs !== null);
  return answers.get(build(how.scopeOf(subject, isWide)))?.get(subject.target.namespace);
}

/** Rows that name the revision, or the service that stands for its role. */
function ownRows(
  { rows }: Answered,
  { target }: Subject,
  role: 'stable' | 'canary',
): OwnRows['canary'] {
  const { namespace, service, canaryReplicaSet, stableReplicaSet } = target;
  const replicaSet = role === 'canary' ? canaryReplicaSet : (stableReplicaSet ?? '');
  const byName = rows.get(revisionKey(namespace, replicaSet));
  return byName ?? rows.get(serviceKey(namespace, service, role)) ?? [];
}

function evidenceOf(subject: Subject, how: Look, answers: Answers): RevisionEvidence {
  const distrusted = distrustOf(subject, how, answers);
  const signals = subject.signals.map(
    (signal) => [signal.name, evidenceOn(signal, subject, how, answers, distrusted)] as const,
  );
  return { observedAtMs: how.atMs, signals: Object.fromEntries(signals) };
}

function evidenceOn(
  signal: ResolvedSignal,
  subject: Subject,
  how: Look,
  answers: Answers,
  distrusted: Absence | null,
): SignalEvidence {
  const { build, isWide, windowMs, isTraffic } = queryOf(signal, how.dialect, how.stepMs !== null);
  let query = build(how.scopeOf(subject, isWide));
  let answered = answeredOf(answers, how, subject, signal);
  const native = nativeQueryOf(signal, how.dialect)?.(how.scopeOf(subject, false));
  const nativeAnswered = answers.get(native ?? '')?.get(subject.target.namespace);
  if (native !== undefined && nativeAnswered !== undefined) {
    [query, answered] = [native, nativeAnswered];
  }
  // Two clusters behind one server are no evidence of anything; the rest is about requests alone.
  const isAmbiguous = distrusted?.reason === 'AmbiguousSource' && signal.kind !== 'custom';
  if (distrusted !== null && (isTraffic || isAmbiguous)) {
    return absentEvidence(signal, subject, distrusted, query, how.atMs);
  }
  const points = readPoints(signal, subject, answered, how);
  if (!points.ok) return absentEvidence(signal, subject, points.absence, query, how.atMs);
  const names = lookedFor(signal, how.dialect);
  return known(points.points, subject, how, { query, windowMs, lookedFor: names });
}

const unasked = absence('noData', 'NotYetAsked', 'The metric server has not been asked yet.');

function readPoints(
  signal: ResolvedSignal,
  subject: Subject,
  answered: Answered | undefined,
  how: Look,
): Points {
  if (answered === undefined) return { ok: false, absence: unasked };
  if (!answered.answer.ok) return answered.answer;
  const rows = {
    all: answered.answer.rows,
    canary: ownRows(answered, subject, 'canary'),
    stable: ownRows(answered, subject, 'stable'),
  };
  return pointsOf(signal, subject.target, how.dialect, rows, how);
}

function distrustOf(subject: Subject, how: Look, answers: Answers): Absence | null {
  const { target, pods } = subject;
  const { dialect, atMs, server } = how;
  const query = freshnessQuery(how.scopeOf(subject, false), dialect);
  const answered = answers.get(query)?.get(target.namespace);
  if (answered === undefined) return unasked;
  if (!answered.answer.ok) return answered.answer.absence;
  const own = ownRows(answered, subject, 'canary');
  const { scrapeIntervalMs, lagMs } = server.settings;
  const podLabel = dialect.profile.serviceLabel === undefined ? dialect.labels.pod : null;
  const oldestMs = atMs - 2 * scrapeIntervalMs - lagMs;
  return distrust(own, target.canaryReplicaSet, { podLabel, pods }, atMs, oldestMs);
}

function known(
  raw: RawPoints,
  { target }: Subject,
  { atMs, stepMs, server }: Look,
  how: { readonly query: string; readonly windowMs: number; readonly lookedFor: string },
): SignalEvidence {
  const { query, windowMs } = how;
  const points = since(raw, target.attemptStartMs, windowMs);
  const gridMs = stepMs ?? server.settings.scrapeIntervalMs;
  return {
    state: 'known',
    // What handshakes come to is the difference of two moments.
    latest: points.kind === 'handshakes' ? points : at(points, gridFloor(atMs, gridMs)),
    history: stepMs === null ? null : points,
    windowSeconds: windowMs / 1000,
    stepSeconds: gridMs / 1000,
    query,
    lookedFor: how.lookedFor,
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
