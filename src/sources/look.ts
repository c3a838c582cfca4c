// One look at a server: a set of canaries is asked about, and the answers give the evidence on
// each. It keeps nothing and knows no timer; questions.ts says which queries that takes.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Absence, RawPoints } from '../core/evidence.ts';
import type { RevisionEvidence, SignalEvidence } from '../core/evidence.ts';
import { askAll, isTooMuch } from './asking.ts';
import type { AnswerOf, Answered, Answers } from './asking.ts';
import { absence } from './port.ts';
import type { ServerSettings } from './port.ts';
import type { Scope } from './queries.ts';
import * as questions from './questions.ts';
import { namespacesOf, questionKey, Questions } from './questions.ts';
import type { Firsts, Look, Plan, Range, Server, Subject } from './questions.ts';
import * as rows from './rows.ts';
import type { Points } from './rows.ts';
import { Revisions, revisionNumber } from './rowTable.ts';
import { dialectOf, pointsOf } from './signalQueries.ts';
import { gridCeil, gridFloor, horizonOf } from './windows.ts';

/** What a look saw. Evidence is made of it whenever it is asked for: a fleet's is megabytes. */
export interface Seen {
  readonly atMs: number;
  /** On the nth of the look's subjects, as it is known now. */
  evidenceOn(nth: number, subject: Subject): RevisionEvidence;
  /** What kept the server from an answer about the nth that it may have about fewer; or null. */
  tooMuchOn(nth: number, subject: Subject): 'time' | 'size' | null;
  /** Nobody will ask for evidence again: the next look may have the room that this one took. */
  release(): void;
}

/** Below Prometheus' 11,000 points a series, of which longer ranges take every second or third. */
const mostPoints = 10_900;

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
  return look({ server, subjects, revisions, scopeOf, send, atMs, range: null });
}

/**
 * Every point that the subjects' holds need, up to atMs, by queries about them alone. `wanted`
 * names, for each of them, the signals whose history matters; of the others the newest point is
 * read.
 */
export function lookBack(
  server: Server,
  subjects: readonly Subject[],
  atMs: number,
  wanted: readonly (readonly string[])[],
): Promise<Seen> {
  const { source, settings } = server;
  const isWanted: Range['isWanted'] = (nth, { name }) => wanted[nth]?.includes(name) === true;
  const startOf: Range['firstMsOf'] = (nth, signal) => {
    const subject = subjects[nth];
    if (subject === undefined) throw new Error(`a look at ${subjects.length} has no ${nth}th`);
    return firstNeeded(subject, signal, isWanted(nth, signal), settings, atMs);
  };
  const starts = subjects.flatMap((one, nth) => one.signals.map((each) => startOf(nth, each)));
  const steps = (atMs - Math.min(atMs, ...starts)) / settings.scrapeIntervalMs / mostPoints;
  const stepMs = settings.scrapeIntervalMs * Math.max(1, Math.ceil(steps));
  const lastMs = gridFloor(atMs, stepMs);
  const firstMsOf: Range['firstMsOf'] = (nth, signal) =>
    Math.min(lastMs, gridCeil(startOf(nth, signal), stepMs));
  const send: Look['send'] = (query, take, firstMs) =>
    source.range(query, firstMs ?? lastMs, lastMs, stepMs, take);
  const range = { stepMs, isWanted, firstMsOf };
  const revisions = revisionsOf(server, subjects);
  return look({ server, subjects, revisions, scopeOf: scopeOfSome, send, atMs, range });
}

/** The names of the subjects' revisions, which are the same at each look at the same subjects. */
export function revisionsOf({ settings }: Server, subjects: readonly Subject[]): Revisions {
  const targets = subjects.map(({ target }) => target);
  return new Revisions(targets, dialectOf(settings));
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

/** The step's hold has passed: the judge needs its whole length at each look. */
export function isDue({ target }: Pick<Subject, 'target'>, atMs: number): boolean {
  const { stepStartMs, stepHoldSeconds, awaitsApproval } = target;
  if (awaitsApproval) return false;
  return stepStartMs !== null && stepStartMs + stepHoldSeconds * 1000 <= atMs;
}

/** The first time whose points can matter: a breach needs less than a step's end. */
function firstNeeded(
  subject: Subject,
  signal: ResolvedSignal,
  isWanted: boolean,
  { scrapeIntervalMs }: ServerSettings,
  atMs: number,
): number {
  const { target } = subject;
  // A number of handshakes is the difference of two moments.
  const newestMs = signal.kind === 'pqcHandshakeFailures' ? signal.forSeconds * 1000 : 0;
  const horizonMs = isWanted
    ? horizonOf([signal], isDue(subject, atMs) ? target.stepHoldSeconds : 0)
    : newestMs;
  const oldestMs = Math.max(target.attemptStartMs, atMs - horizonMs);
  return Math.min(gridFloor(oldestMs, scrapeIntervalMs), atMs);
}

async function look(how: Look): Promise<Seen> {
  const plans = questions.plansOf(how);
  const freshness = questions.freshnessPlan(how);
  const firsts = questions.firstsOf(how, plans);
  const first = new Questions(how, firsts);
  first.add(freshness);
  // Objects with the same policy share their signals.
  const signals = new Set<ResolvedSignal>();
  for (const subject of how.subjects) for (const signal of subject.signals) signals.add(signal);
  for (const signal of signals) {
    const plan = plans(signal);
    first.add(plan);
    if (plan.counted !== null) first.add(plan.counted);
  }
  const answers = await askAll(first.all);
  const native = new Questions(how, firsts);
  const nativeOf = (nth: number, { target }: Subject, plan: Plan): readonly Plan[] => {
    if (plan.native === null) return [];
    const classic = answers.get(questionKey(plan))?.get(target.namespace);
    return isEmpty(classic, numbersOf(nth)) ? [plan.native] : [];
  };
  for (const [nth, subject] of how.subjects.entries()) {
    for (const signal of subject.signals) {
      for (const plan of nativeOf(nth, subject, plans(signal))) native.add(plan);
    }
  }
  const more =
    native.all.size === 0 ? answers : new Map([...answers, ...(await askAll(native.all))]);
  const evidenceOf = (nth: number, subject: Subject): RevisionEvidence => {
    const one = { subject, nth, ...numbersOf(nth) };
    const trust = trustOf(one, how, more.get(questionKey(freshness)));
    const evidence: Record<string, SignalEvidence> = {};
    for (const signal of subject.signals) {
      evidence[signal.name] = evidenceOn(signal, one, plans(signal), how, more, trust, firsts);
    }
    return { observedAtMs: how.atMs, signals: evidence };
  };
  const release = (): void => {
    const tables = new Set([...more.values()].flatMap((each) => [...each.values()]));
    for (const { rows: table } of tables) how.revisions.giveBack(table);
  };
  const tooMuchOn = (nth: number, subject: Subject): ReturnType<Seen['tooMuchOn']> => {
    const own = subject.signals.map(plans);
    const native = own.flatMap((plan) => nativeOf(nth, subject, plan));
    const counted = own.flatMap((plan) => plan.counted ?? []);
    return tooMuchOf([freshness, ...own, ...native, ...counted], more, subject);
  };
  return { atMs: how.atMs, evidenceOn: evidenceOf, tooMuchOn, release };
}

/** A user's query is as large for one object as for many: asking about fewer is of no use to it. */
function tooMuchOf(
  asked: readonly Plan[],
  answers: Answers,
  { target }: Subject,
): ReturnType<Seen['tooMuchOn']> {
  const reasons = asked.flatMap((plan) => {
    const answer = answers.get(questionKey(plan))?.get(target.namespace)?.answer;
    if (!plan.isBuiltIn || answer === undefined || answer.ok || !isTooMuch(answer)) return [];
    return [answer.absence.reason];
  });
  if (reasons.length === 0) return null;
  return reasons.includes('TimedOut') ? 'time' : 'size';
}

/** The numbers of a subject's revisions in the answers' tables. */
interface Numbers {
  readonly canary: number;
  readonly stable: number;
}

interface Numbered extends Numbers {
  readonly subject: Subject;
  /** Its place among the subjects. */
  readonly nth: number;
}

function numbersOf(nth: number): Numbers {
  return { canary: revisionNumber(nth, 'canary'), stable: revisionNumber(nth, 'stable') };
}

/** A sound answer, in which nothing is about the canary. */
function isEmpty(answered: Answered | undefined, { canary }: Numbers): boolean {
  return answered?.answer.ok === true && !answered.rows.has(canary);
}

function evidenceOn(
  signal: ResolvedSignal,
  one: Numbered,
  plan: Plan,
  how: Look,
  answers: Answers,
  { distrusted, isScraped }: Trust,
  firsts: Firsts,
): SignalEvidence {
  const { subject } = one;
  const { namespace } = subject.target;
  const { isTraffic, windowMs } = plan;
  const classic = answers.get(questionKey(plan))?.get(namespace);
  // Another subject's native histogram says nothing of one whose own is classic.
  const native =
    plan.native !== null && isEmpty(classic, one)
      ? answers.get(questionKey(plan.native))?.get(namespace)
      : null;
  const asked = (native ? plan.native : null) ?? plan;
  const answered = native ?? classic;
  // What people read after a look back is about their object alone.
  const query = how.range === null ? asked.text : asked.build(how.scopeOf([subject], plan.isWide));
  // Two clusters behind one server are no evidence of anything; the rest is about requests alone.
  const isAmbiguous = distrusted?.reason === 'AmbiguousSource' && signal.kind !== 'custom';
  if (distrusted !== null && (isTraffic || isAmbiguous)) {
    return absentEvidence(signal, subject, distrusted, query, how.atMs);
  }
  const firstMs = firsts.get(questionKey(asked)) ?? null;
  const points = readPoints(signal, one, answered, how, firstMs);
  if (!points.ok) return absentEvidence(signal, subject, points.absence, query, how.atMs);
  if (isTraffic && !isScraped && points.points.points.length > 0) {
    return absentEvidence(signal, subject, unscraped(subject), query, how.atMs);
  }
  const { lookedFor } = plan;
  const isMissing = signal.absentIsZero && points.points.points.length === 0;
  if (isMissing && answered?.rows.namesNobody === true) {
    return absentEvidence(signal, subject, namesNobody, query, how.atMs);
  }
  const isCounted = isScraped && distrusted === null;
  const zerosMs = isCounted ? countedMs(one, plan, answers) : [];
  const raw = rows.withZeros(points.points, zerosMs);
  return known(raw, one, signal, how, { query, windowMs, lookedFor });
}

/** The times at which requests of the canary were counted; none where nobody wants to know. */
function countedMs(
  { subject, canary }: Numbered,
  { counted }: Plan,
  answers: Answers,
): readonly number[] {
  if (counted === null) return [];
  const answered = answers.get(questionKey(counted))?.get(subject.target.namespace);
  if (answered?.answer.ok !== true) return [];
  return answered.rows.rowsOf(canary).flatMap(({ samples }) => samples.map(([timeMs]) => timeMs));
}

const namesNobody = absence(
  'untrusted',
  'AmbiguousSource',
  'Rows of the query name no revision, so that a missing one is no zero. ' +
    'Aggregate it: sum by (namespace, replicaset) (…).',
);

const unasked = absence('noData', 'NotYetAsked', 'The metric server has not been asked yet.');

function readPoints(
  signal: ResolvedSignal,
  { subject, canary, stable }: Numbered,
  answered: Answered | undefined,
  how: Look,
  firstMs: number | null,
): Points {
  if (answered === undefined) return { ok: false, absence: unasked };
  if (!answered.answer.ok) return answered.answer;
  const own = { canary: answered.rows.rowsOf(canary), stable: answered.rows.rowsOf(stable) };
  const moment = { atMs: how.atMs, firstMs };
  return pointsOf(signal, subject.target, how.revisions.dialect, own, moment);
}

/** What is known of a revision's scrapes. */
interface Trust {
  readonly distrusted: Absence | null;
  readonly isScraped: boolean;
}

/** A rate goes on for most of its window after the last scrape. */
function unscraped({ target }: Subject): Absence {
  const message = `No pod of ${target.canaryReplicaSet} is scraped any more.`;
  return absence('untrusted', 'Stale', message);
}

function trustOf(one: Numbered, how: Look, answers: AnswerOf | undefined): Trust {
  const answered = answers?.get(one.subject.target.namespace);
  return {
    distrusted: distrustOf(one, how, answered),
    isScraped: !isEmpty(answered, one),
  };
}

function distrustOf(
  { subject, canary }: Numbered,
  { revisions: { dialect }, atMs, server }: Look,
  answered: Answered | undefined,
): Absence | null {
  const { target, pods } = subject;
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
  { subject, nth }: Numbered,
  signal: ResolvedSignal,
  { atMs, range, server }: Look,
  how: { readonly query: string; readonly windowMs: number; readonly lookedFor: string },
): SignalEvidence {
  const { query, windowMs } = how;
  const points = rows.since(raw, subject.target.attemptStartMs, windowMs);
  const gridMs = range?.stepMs ?? server.settings.scrapeIntervalMs;
  const isWhole = range?.isWanted(nth, signal) === true;
  return {
    state: 'known',
    // What handshakes come to is the difference of two moments.
    latest: points.kind === 'handshakes' ? points : rows.at(points, gridFloor(atMs, gridMs)),
    history: isWhole || (range !== null && isJudgedAtOnce(signal)) ? points : null,
    isWhole,
    windowSeconds: windowMs / 1000,
    stepSeconds: gridMs / 1000,
    query,
    lookedFor: how.lookedFor,
  };
}

/** A limit without a hold: its newest points are all that a verdict needs. */
function isJudgedAtOnce({ kind, rollback, forSeconds }: ResolvedSignal): boolean {
  return rollback !== null && (forSeconds === 0 || kind === 'pqcHandshakeFailures');
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
