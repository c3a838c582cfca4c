// One look at a server: which queries a set of canaries needs, asked each once, and the evidence
// that their answers give. It keeps nothing and knows no timer.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Absence, EvidenceTarget, RawPoints } from '../core/evidence.ts';
import type { RevisionEvidence, SignalEvidence } from '../core/evidence.ts';
import { askAll } from './asking.ts';
import type { AnswerOf, Answered, Answers, Question } from './asking.ts';
import { absence } from './port.ts';
import type { MetricAnswer, MetricSource, ServerSettings, TakeRow } from './port.ts';
import { freshnessQuery } from './queries.ts';
import type { Scope } from './queries.ts';
import * as rows from './rows.ts';
import type { Points } from './rows.ts';
import { Revisions, revisionNumber } from './rowTable.ts';
import { dialectOf, keyOf, lookedFor, nativeQueryOf, pointsOf, queryOf } from './signalQueries.ts';
import type { SignalQuery } from './signalQueries.ts';
import { gridCeil, gridFloor, horizonOf } from './windows.ts';

/** A canary to look at. */
export interface Subject {
  readonly target: EvidenceTarget;
  readonly signals: readonly ResolvedSignal[];
  /** Every pod that was listed in this attempt. */
  readonly pods: ReadonlySet<string>;
  /** Since when there has been no evidence on which signals. */
  readonly absentSinceMs: Readonly<Record<string, number>>;
}

/** What a look saw. Evidence is made of it whenever it is asked for: a fleet's is megabytes. */
export interface Seen {
  readonly atMs: number;
  /** On the nth of the look's subjects, as it is known now. */
  evidenceOn(nth: number, subject: Subject): RevisionEvidence;
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
  readonly subjects: readonly Subject[];
  /** Of the subjects, by their places. */
  readonly revisions: Revisions;
  readonly scopeOf: (subjects: readonly Subject[], isWide: boolean) => Scope;
  readonly send: (query: string, take: TakeRow) => Promise<MetricAnswer>;
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
  revisions: Revisions = revisionsOf(server, subjects),
): Promise<Seen> {
  return lookAtMoment(server, subjects, atMs, revisions, fleetScope);
}

/** The same by queries about the subjects alone, for few of them. */
export function lookAtSome(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<Seen> {
  return lookAtMoment(server, subjects, atMs, revisionsOf(server, subjects), scopeOfSome);
}

function lookAtMoment(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
  revisions: Revisions,
  scopeOf: Look['scopeOf'],
): Promise<Seen> {
  const send: Look['send'] = (query, take) => server.source.instant(query, atMs, take);
  const moment = { atMs, stepMs: null, firstMs: null };
  return look({ server, subjects, revisions, scopeOf, send, ...moment });
}

/** Every point that the subjects' holds need, up to atMs, by queries about them alone. */
export function lookBack(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
): Promise<Seen> {
  const { source, settings } = server;
  const startMs = Math.min(...subjects.map((subject) => startOf(subject, settings, atMs)));
  const steps = Math.ceil((atMs - startMs) / settings.scrapeIntervalMs / mostPoints);
  const stepMs = settings.scrapeIntervalMs * Math.max(1, steps);
  const firstMs = gridCeil(startMs, stepMs);
  const send: Look['send'] = (query, take) =>
    source.range(query, firstMs, gridFloor(atMs, stepMs), stepMs, take);
  const moment = { atMs, stepMs, firstMs };
  const revisions = revisionsOf(server, subjects);
  return look({ server, subjects, revisions, scopeOf: scopeOfSome, send, ...moment });
}

/** The names of the subjects' revisions, which are the same at each look at the same subjects. */
export function revisionsOf({ settings }: Server, subjects: readonly Subject[]): Revisions {
  const targets = subjects.map(({ target }) => target);
  return new Revisions(targets, dialectOf(settings));
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

async function look(how: Look): Promise<Seen> {
  const plans = plansOf(how);
  const freshness = freshnessPlan(how);
  const first = new Questions(how);
  first.add(freshness);
  // Objects with the same policy share their signals.
  const signals = new Set<ResolvedSignal>();
  for (const subject of how.subjects) for (const signal of subject.signals) signals.add(signal);
  for (const signal of signals) first.add(plans(signal));
  const answers = await askAll(first.all);
  const native = new Questions(how);
  for (const [nth, { target, signals: own }] of how.subjects.entries()) {
    for (const signal of own) {
      const plan = plans(signal);
      if (plan.native === null) continue;
      const classic = answers.get(plan.text)?.get(target.namespace);
      if (classic?.answer.ok !== true) continue;
      if (!classic.rows.has(revisionNumber(nth, 'canary'))) native.add(plan.native);
    }
  }
  const more =
    native.all.size === 0 ? answers : new Map([...answers, ...(await askAll(native.all))]);
  const evidenceOf = (nth: number, subject: Subject): RevisionEvidence => {
    const canary = revisionNumber(nth, 'canary');
    const one = { subject, canary, stable: revisionNumber(nth, 'stable') };
    const distrusted = distrustOf(one, how, more.get(freshness.text));
    const evidence: Record<string, SignalEvidence> = {};
    for (const signal of subject.signals) {
      evidence[signal.name] = evidenceOn(signal, one, plans(signal), how, more, distrusted);
    }
    return { observedAtMs: how.atMs, signals: evidence };
  };
  return { atMs: how.atMs, evidenceOn: evidenceOf };
}

/** A subject and the numbers of its revisions. */
interface Numbered {
  readonly subject: Subject;
  readonly canary: number;
  readonly stable: number;
}

/** What is asked for signals that are alike, by one text for all subjects of the look. */
interface Plan extends SignalQuery {
  readonly text: string;
  readonly isBuiltIn: boolean;
  /** Instead, for subjects of which this finds no rows. */
  readonly native: Plan | null;
  /** Names of the series that would answer. */
  readonly lookedFor: string;
}

/** Thousands of objects have the same few signals: each plan is made once. */
function plansOf(how: Look): (signal: ResolvedSignal) => Plan {
  const bySignal = new Map<ResolvedSignal, Plan>();
  const byKey = new Map<string, Plan>();
  return (signal) => {
    const known = bySignal.get(signal);
    if (known !== undefined) return known;
    const key = keyOf(signal);
    const plan = byKey.get(key) ?? planOfSignal(signal, how);
    byKey.set(key, plan);
    bySignal.set(signal, plan);
    return plan;
  };
}

function planOfSignal(signal: ResolvedSignal, how: Look): Plan {
  const query = queryOf(signal, how.revisions.dialect, how.stepMs !== null);
  const build = nativeQueryOf(signal, how.revisions.dialect);
  const more = {
    isBuiltIn: signal.kind !== 'custom',
    lookedFor: lookedFor(signal, how.revisions.dialect),
    native: null,
  };
  const native = build === null ? null : { ...planOf({ ...query, build }, how), ...more };
  return { ...planOf(query, how), ...more, native };
}

function planOf(query: SignalQuery, how: Look): SignalQuery & Pick<Plan, 'text'> {
  return { ...query, text: query.build(how.scopeOf(how.subjects, query.isWide)) };
}

/** Freshness is one moment's, also where the signals are asked for over a range. */
function freshnessPlan(how: Look): Plan & Pick<Look, 'send'> {
  const build = (scope: Scope): string => freshnessQuery(scope, how.revisions.dialect);
  const query = { build, windowMs: 0, isWide: false, isTraffic: true };
  const { source } = how.server;
  return {
    ...planOf(query, how),
    isBuiltIn: true,
    native: null,
    lookedFor: '',
    send: (text, take) => source.instant(text, how.atMs, take),
  };
}

/** The questions of one look by their texts. */
class Questions {
  readonly all = new Map<string, Question>();
  readonly #how: Look;

  constructor(how: Look) {
    this.#how = how;
  }

  add(plan: Plan & Partial<Pick<Look, 'send'>>): void {
    const known = this.all.get(plan.text);
    const { revisions, subjects, scopeOf, send } = { ...this.#how, ...plan };
    // The same text may be asked for stable as well.
    const isWide = plan.isWide || known?.wanted.isWide === true;
    if (known?.wanted.isWide === isWide) return;
    const namespaces = namespacesOf(subjects);
    const textFor = (some: readonly string[]): string => {
      if (!plan.isBuiltIn || some.length === namespaces.length) return plan.text;
      const part = subjects.filter(({ target }) => some.includes(target.namespace));
      return plan.build(scopeOf(part, plan.isWide));
    };
    this.all.set(plan.text, {
      namespaces,
      canBeHalved: plan.isBuiltIn,
      wanted: { revisions, isUsers: !plan.isBuiltIn, isWide },
      ask: (some, take) => send(textFor(some), take),
    });
  }
}

function evidenceOn(
  signal: ResolvedSignal,
  one: Numbered,
  plan: Plan,
  how: Look,
  answers: Answers,
  distrusted: Absence | null,
): SignalEvidence {
  const { subject } = one;
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
  const points = readPoints(signal, one, answered, how);
  if (!points.ok) return absentEvidence(signal, subject, points.absence, query, how.atMs);
  return known(points.points, subject, how, { query, windowMs, lookedFor: plan.lookedFor });
}

const unasked = absence('noData', 'NotYetAsked', 'The metric server has not been asked yet.');

function readPoints(
  signal: ResolvedSignal,
  { subject, canary, stable }: Numbered,
  answered: Answered | undefined,
  how: Look,
): Points {
  if (answered === undefined) return { ok: false, absence: unasked };
  if (!answered.answer.ok) return answered.answer;
  const own = { canary: answered.rows.rowsOf(canary), stable: answered.rows.rowsOf(stable) };
  return pointsOf(signal, subject.target, how.revisions.dialect, own, how);
}

function distrustOf(
  { subject, canary }: Numbered,
  { revisions: { dialect }, atMs, server }: Look,
  answers: AnswerOf | undefined,
): Absence | null {
  const { target, pods } = subject;
  const answered = answers?.get(target.namespace);
  if (answered === undefined) return unasked;
  if (!answered.answer.ok) return answered.answer.absence;
  const own = answered.rows.rowsOf(canary);
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
  { absentSinceMs }: Subject,
  why: Absence,
  query: string,
  atMs: number,
): SignalEvidence {
  return { state: 'absent', absence: why, sinceMs: absentSinceMs[signal.name] ?? atMs, query };
}
