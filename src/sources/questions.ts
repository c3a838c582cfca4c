// The questions of one look: which queries its subjects' signals come to, each once, however many
// objects share it. Text and plans only: asking.ts asks them, look.ts reads the answers.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { EvidenceTarget } from '../core/evidence.ts';
import type { Question } from './asking.ts';
import type { MetricAnswer, MetricSource, ServerSettings, TakeRow } from './port.ts';
import { freshnessQuery, requestsQuery } from './queries.ts';
import type { Scope } from './queries.ts';
import type { Revisions } from './rowTable.ts';
import { keyOf, lookedFor, nativeQueryOf, queryOf } from './signalQueries.ts';
import type { SignalQuery } from './signalQueries.ts';

/** A canary to look at. */
export interface Subject {
  readonly target: EvidenceTarget;
  readonly signals: readonly ResolvedSignal[];
  /** Every pod that was listed in this attempt. */
  readonly pods: ReadonlySet<string>;
  /** Since when there has been no evidence on which signals. */
  readonly absentSinceMs: Readonly<Record<string, number>>;
}

export interface Server {
  readonly source: MetricSource;
  readonly settings: ServerSettings;
  /** Whether more than one object has a signal with this query of a user's. */
  readonly isShared: (query: string) => boolean;
}

/** How the queries of one look are made and sent. */
export interface Look {
  readonly server: Server;
  readonly subjects: readonly Subject[];
  /** Of the subjects, by their places. */
  readonly revisions: Revisions;
  readonly scopeOf: (subjects: readonly Subject[], isWide: boolean) => Scope;
  /** `firstMs` is the first point of a range; null for an instant. */
  readonly send: (query: string, take: TakeRow, firstMs: number | null) => Promise<MetricAnswer>;
  readonly atMs: number;
  /** Null for an instant. */
  readonly range: Range | null;
}

/** How far back a look reads. */
export interface Range {
  /** Between two points. */
  readonly stepMs: number;
  /** Whether the nth subject needs more of the signal than its newest point. */
  readonly isWanted: (nth: number, signal: ResolvedSignal) => boolean;
  /** The first point that the nth subject needs of the signal. */
  readonly firstMsOf: (nth: number, signal: ResolvedSignal) => number;
}

export function namespacesOf(subjects: readonly Subject[]): string[] {
  return [...new Set(subjects.map(({ target }) => target.namespace))].toSorted();
}

/** What is asked for signals that are alike, by one text for all subjects of the look. */
export interface Plan extends SignalQuery {
  readonly text: string;
  readonly isBuiltIn: boolean;
  /** Instead, for subjects of which this finds no rows. */
  readonly native: Plan | null;
  /** Tells at which times a row that is missing means that nothing was counted. */
  readonly counted: Plan | null;
  /** Names of the series that would answer. */
  readonly lookedFor: string;
}

/** A user's query may have the text of a built-in one, and its rows are read otherwise. */
export function questionKey({ isBuiltIn, text }: Pick<Plan, 'isBuiltIn' | 'text'>): string {
  return isBuiltIn ? text : `user's ${text}`;
}

/** Thousands of objects have the same few signals: each plan is made once. */
export function plansOf(how: Look): (signal: ResolvedSignal) => Plan {
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
  const query = queryOf(signal, how.revisions.dialect, how.range !== null);
  const build = nativeQueryOf(signal, how.revisions.dialect);
  const more = {
    isBuiltIn: signal.kind !== 'custom',
    lookedFor: lookedFor(signal, how.revisions.dialect),
    native: null,
    counted: null,
  };
  const native = build === null ? null : { ...planOf({ ...query, build }, how), ...more };
  const counted = signal.absentIsZero ? countedPlan(query.windowMs, how) : null;
  return { ...planOf(query, how), ...more, native, counted };
}

/** The canary's requests, over the same windows: they have a rate where there were two scrapes. */
function countedPlan(windowMs: number, how: Look): Plan {
  const build = (scope: Scope): string => requestsQuery(scope, how.revisions.dialect, windowMs);
  const query = { build, windowMs, isWide: false, isTraffic: true };
  return { ...planOf(query, how), isBuiltIn: true, lookedFor: '', native: null, counted: null };
}

/** All that a plan asks, or may ask. */
function partsOf(plan: Plan): readonly Plan[] {
  return [plan, plan.native, plan.counted].filter((each) => each !== null);
}

function planOf(query: SignalQuery, how: Look): SignalQuery & Pick<Plan, 'text'> {
  return { ...query, text: query.build(how.scopeOf(how.subjects, query.isWide)) };
}

/** Freshness is one moment's, also where the signals are asked for over a range. */
export function freshnessPlan(how: Look): Plan & Pick<Look, 'send'> {
  const build = (scope: Scope): string => freshnessQuery(scope, how.revisions.dialect);
  const query = { build, windowMs: 0, isWide: false, isTraffic: true };
  const { source } = how.server;
  return {
    ...planOf(query, how),
    isBuiltIn: true,
    native: null,
    counted: null,
    lookedFor: '',
    send: (text, take) => source.instant(text, how.atMs, take),
  };
}

/** The first point of each question over a range, by its key. */
export type Firsts = ReadonlyMap<string, number>;

/** Whoever needs most of an answer says where it begins: the question is asked once for all. */
export function firstsOf(
  { range, subjects }: Look,
  plans: (signal: ResolvedSignal) => Plan,
): Firsts {
  const firsts = new Map<string, number>();
  if (range === null) return firsts;
  for (const [nth, subject] of subjects.entries()) {
    for (const signal of subject.signals) {
      const plan = plans(signal);
      const firstMs = range.firstMsOf(nth, signal);
      for (const each of partsOf(plan)) {
        const key = questionKey(each);
        firsts.set(key, Math.min(firsts.get(key) ?? Infinity, firstMs));
      }
    }
  }
  return firsts;
}

/** The questions of one look by their keys. */
export class Questions {
  readonly all = new Map<string, Question>();
  readonly #how: Look;
  readonly #firsts: Firsts;

  constructor(how: Look, firsts: Firsts) {
    this.#how = how;
    this.#firsts = firsts;
  }

  add(plan: Plan & Partial<Pick<Look, 'send'>>): void {
    const key = questionKey(plan);
    const known = this.all.get(key);
    const { revisions, subjects, scopeOf, send } = { ...this.#how, ...plan };
    // The same text may be asked for stable as well.
    const isWide = plan.isWide || known?.wanted.isWide === true;
    if (known?.wanted.isWide === isWide) return;
    const { isShared } = this.#how.server;
    const namespaces = namespacesOf(subjects);
    const textFor = (some: readonly string[]): string => {
      if (!plan.isBuiltIn || some.length === namespaces.length) return plan.text;
      const part = subjects.filter(({ target }) => some.includes(target.namespace));
      return plan.build(scopeOf(part, plan.isWide));
    };
    this.all.set(key, {
      namespaces,
      canBeHalved: plan.isBuiltIn,
      wanted: { revisions, isUsers: !plan.isBuiltIn, isShared: isShared(plan.text), isWide },
      ask: (some, take) => send(textFor(some), take, this.#firsts.get(key) ?? null),
    });
  }
}
