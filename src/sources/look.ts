// One look at a server: which queries a set of canaries needs, asked each once, and the evidence
// that their answers give. It keeps nothing and knows no timer.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Absence, EvidenceTarget, RawPoints } from '../core/evidence.ts';
import type { RevisionEvidence, SignalEvidence } from '../core/evidence.ts';
import { inSlices } from '../runtime/slices.ts';
import { askAll } from './asking.ts';
import type { AnswerOf, Answered, Answers, Question } from './asking.ts';
import { absence } from './port.ts';
import type { MetricAnswer, MetricSource, ServerSettings, WantRow } from './port.ts';
import { freshnessQuery } from './queries.ts';
import type { Dialect, Scope } from './queries.ts';
import * as rows from './rows.ts';
import { byRevision, byService, revisionKey, revisionOf, serviceKey } from './rows.ts';
import type { Points, RowIndex } from './rows.ts';
import { dialectOf, keyOf, lookedFor, nativeQueryOf, pointsOf, queryOf } from './signalQueries.ts';
import type { OwnRows, SignalQuery } from './signalQueries.ts';
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

/** How the queries of one look are made and sent. */
interface Look {
  readonly server: Server;
  readonly dialect: Dialect;
  readonly subjects: readonly Subject[];
  readonly scopeOf: (subjects: readonly Subject[], isWide: boolean) => Scope;
  readonly send: (query: string, want: WantRow | undefined) => Promise<MetricAnswer>;
  readonly atMs: number;
  /** Between the points of a range; null for an instant. */
  readonly stepMs: number | null;
  /** The first point of a range; null for an instant. */
  readonly firstMs: number | null;
}

/** The newest point of each signal of each subject, by queries about whole namespaces. */
export function lookAtFleet(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<readonly RevisionEvidence[]> {
  return lookAtMoment(server, subjects, atMs, fleetScope);
}

/** The same by queries about the subjects alone, for few of them. */
export function lookAtSome(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<readonly RevisionEvidence[]> {
  return lookAtMoment(server, subjects, atMs, scopeOfSome);
}

function lookAtMoment(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
  scopeOf: Look['scopeOf'],
): Promise<readonly RevisionEvidence[]> {
  const send: Look['send'] = (query, want) => server.source.instant(query, atMs, want);
  const dialect = dialectOf(server.settings);
  return look({ server, dialect, subjects, scopeOf, send, atMs, stepMs: null, firstMs: null });
}

/** Every point that the subjects' holds need, up to atMs, by queries about them alone. */
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
  const send: Look['send'] = (query, want) =>
    source.range(query, firstMs, gridFloor(atMs, stepMs), stepMs, want);
  const dialect = dialectOf(settings);
  const scopeOf = scopeOfSome;
  return look({ server, dialect, subjects, scopeOf, send, atMs, stepMs, firstMs });
}

function namespacesOf(subjects: readonly Subject[]): string[] {
  return [...new Set(subjects.map(({ target }) => target.namespace))].toSorted();
}

function fleetScope(subjects: readonly Subject[]): Scope {
  return { namespaces: namespacesOf(subjects), only: null };
}

function scopeOfSome(subjects: readonly Subject[], isWide: boolean): Scope {
  const targets = subjects.map(({ target }) => target);
  const canaries = targets.map(({ canaryReplicaSet }) => canaryReplicaSet);
  const stable = isWide ? targets.flatMap(({ stableReplicaSet }) => stableReplicaSet ?? []) : [];
  const services = targets.map(({ service }) => service);
  const only = { replicaSets: [...canaries, ...stable], services };
  return { namespaces: namespacesOf(subjects), only };
}

/** The first time whose points can matter. */
function startOf({ target, signals }: Subject, settings: ServerSettings, atMs: number): number {
  const horizonMs = horizonOf(signals, target.stepHoldSeconds);
  const oldestMs = Math.max(target.attemptStartMs, atMs - horizonMs);
  return Math.min(gridFloor(oldestMs, settings.scrapeIntervalMs), atMs);
}

async function look(how: Look): Promise<readonly RevisionEvidence[]> {
  const plans = plansOf(how);
  const freshness = freshnessPlan(how);
  const first = new Questions(how);
  for (const subject of how.subjects) {
    first.add(subject, freshness);
    for (const signal of subject.signals) first.add(subject, plans(signal));
  }
  const answers = await askAll(first.all);
  const native = new Questions(how);
  for (const subject of how.subjects) {
    for (const signal of subject.signals) {
      const plan = plans(signal);
      const classic = answers.get(plan.text)?.get(subject.target.namespace);
      if (plan.native === null || classic?.answer.ok !== true) continue;
      if (ownRows(classic, subject, 'canary').length === 0) native.add(subject, plan.native);
    }
  }
  const more =
    native.all.size === 0 ? answers : new Map([...answers, ...(await askAll(native.all))]);
  const found: RevisionEvidence[] = [];
  await inSlices(how.subjects, (subject) => {
    const distrusted = distrustOf(subject, how, more.get(freshness.text));
    const signals = subject.signals.map((signal) => {
      const evidence = evidenceOn(signal, subject, plans(signal), how, more, distrusted);
      return [signal.name, evidence] as const;
    });
    found.push({ observedAtMs: how.atMs, signals: Object.fromEntries(signals) });
  });
  return found;
}

/** What is asked for signals that are alike, by one text for all subjects of the look. */
interface Plan extends SignalQuery {
  readonly text: string;
  readonly isBuiltIn: boolean;
  /** Instead, for subjects of which this finds no rows. */
  readonly native: Plan | null;
}

/** Thousands of objects have the same few signals: each plan is made once. */
function plansOf(how: Look): (signal: ResolvedSignal) => Plan {
  const plans = new Map<string, Plan>();
  return (signal) => {
    const key = keyOf(signal);
    const known = plans.get(key);
    if (known !== undefined) return known;
    const query = queryOf(signal, how.dialect, how.stepMs !== null);
    const build = nativeQueryOf(signal, how.dialect);
    const native = build === null ? null : planOf({ ...query, build }, how, true, null);
    const plan = planOf(query, how, signal.kind !== 'custom', native);
    plans.set(key, plan);
    return plan;
  };
}

function planOf(query: SignalQuery, how: Look, isBuiltIn: boolean, native: Plan | null): Plan {
  const text = query.build(how.scopeOf(how.subjects, query.isWide));
  return { ...query, text, isBuiltIn, native };
}

/** Freshness is one moment's, also where the signals are asked for over a range. */
function freshnessPlan(how: Look): Plan & Pick<Look, 'send'> {
  const build = (scope: Scope): string => freshnessQuery(scope, how.dialect);
  const query = { build, windowMs: 0, isWide: false, isTraffic: true };
  const { source } = how.server;
  return {
    ...planOf(query, how, true, null),
    send: (text, want) => source.instant(text, how.atMs, want),
  };
}

/** The questions of one look by their texts. */
class Questions {
  readonly all = new Map<string, Question>();
  readonly #wanted = new Map<string, Set<string>>();
  readonly #how: Look;

  constructor(how: Look) {
    this.#how = how;
  }

  /** A subject's own answer is in it. */
  add(subject: Subject, plan: Plan & Partial<Pick<Look, 'send'>>): void {
    const { namespace, canaryReplicaSet, stableReplicaSet } = subject.target;
    const wanted = this.#wanted.get(plan.text) ?? new Set();
    wanted.add(revisionKey(namespace, canaryReplicaSet));
    if (plan.isWide && stableReplicaSet !== null) {
      wanted.add(revisionKey(namespace, stableReplicaSet));
    }
    if (this.all.has(plan.text)) return;
    this.#wanted.set(plan.text, wanted);
    const { dialect, subjects, scopeOf, send } = { ...this.#how, ...plan };
    const namespaces = namespacesOf(subjects);
    const askPart = (some: readonly string[]): Promise<MetricAnswer> => {
      const part = subjects.filter(({ target }) => some.includes(target.namespace));
      const isWhole = some.length === namespaces.length;
      const text = isWhole ? plan.text : plan.build(scopeOf(part, plan.isWide));
      return send(text, wantRevisions(wanted, dialect));
    };
    this.all.set(plan.text, {
      namespaces,
      canBeHalved: plan.isBuiltIn,
      ask: plan.isBuiltIn ? askPart : () => send(plan.text, undefined),
      index: (answer) => indexOf(answer, dialect, plan.isBuiltIn),
    });
  }
}

/** Rows that name no revision name a service. */
function wantRevisions(wanted: ReadonlySet<string>, { labels: names }: Dialect): WantRow {
  return (labels) => {
    const key = revisionOf(labels, names);
    return key === null || wanted.has(key);
  };
}

/** Rows of a query of the user's are searched by labels of their own. */
function indexOf(answer: MetricAnswer, { profile, labels }: Dialect, isBuiltIn: boolean): RowIndex {
  if (!answer.ok || !isBuiltIn) return new Map();
  const { serviceLabel } = profile;
  const isByService =
    serviceLabel !== undefined && answer.rows.some((row) => row.labels[serviceLabel] !== undefined);
  return isByService ? byService(answer.rows, serviceLabel) : byRevision(answer.rows, labels);
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

function evidenceOn(
  signal: ResolvedSignal,
  subject: Subject,
  plan: Plan,
  how: Look,
  answers: Answers,
  distrusted: Absence | null,
): SignalEvidence {
  const { namespace } = subject.target;
  const { isTraffic, windowMs } = plan;
  const native = answers.get(plan.native?.text ?? '')?.get(namespace);
  const asked = native === undefined || plan.native === null ? plan : plan.native;
  const answered = native ?? answers.get(plan.text)?.get(namespace);
  // What people read after a look back is about their object alone.
  const query = how.stepMs === null ? asked.text : asked.build(how.scopeOf([subject], plan.isWide));
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
  const own = {
    all: answered.answer.rows,
    canary: ownRows(answered, subject, 'canary'),
    stable: ownRows(answered, subject, 'stable'),
  };
  return pointsOf(signal, subject.target, how.dialect, own, how);
}

function distrustOf(
  subject: Subject,
  { dialect, atMs, server }: Look,
  answers: AnswerOf | undefined,
): Absence | null {
  const { target, pods } = subject;
  const answered = answers?.get(target.namespace);
  if (answered === undefined) return unasked;
  if (!answered.answer.ok) return answered.answer.absence;
  const own = ownRows(answered, subject, 'canary');
  const { scrapeIntervalMs, lagMs } = server.settings;
  const podLabel = dialect.profile.serviceLabel === undefined ? dialect.labels.pod : null;
  const oldestMs = atMs - 2 * scrapeIntervalMs - lagMs;
  return rows.distrust(own, target.canaryReplicaSet, { podLabel, pods }, atMs, oldestMs);
}

function known(
  raw: RawPoints,
  { target }: Subject,
  { atMs, stepMs, server }: Look,
  how: { readonly query: string; readonly windowMs: number; readonly lookedFor: string },
): SignalEvidence {
  const { query, windowMs } = how;
  const points = rows.since(raw, target.attemptStartMs, windowMs);
  const gridMs = stepMs ?? server.settings.scrapeIntervalMs;
  return {
    state: 'known',
    // What handshakes come to is the difference of two moments.
    latest: points.kind === 'handshakes' ? points : rows.at(points, gridFloor(atMs, gridMs)),
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
