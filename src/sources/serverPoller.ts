// Decides when one metric server is asked about which canaries: the whole fleet once an interval,
// and one canary at the very moment at which its hold can be complete.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { EvidenceTarget, RevisionEvidence } from '../core/evidence.ts';
import { judgeSignals } from '../core/judgement.ts';
import type { SignalJudgement } from '../core/judgement.ts';
import type { Cancel, Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { inSlices } from '../runtime/slices.ts';
import { lookAtFleet, lookAtSome, lookBack } from './look.ts';
import type { Server, Subject } from './look.ts';
import type { InterestListener } from './port.ts';
import { QueryChecks } from './queryChecks.ts';
import { gridCeil, gridFloor } from './windows.ts';

export interface ServerPollerOptions extends Server {
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs: number;
  readonly tell: InterestListener;
}

/** What is known of one canary by now. */
export interface JudgedCanary {
  /** namespace/name of the object. */
  readonly key: string;
  readonly judgements: readonly SignalJudgement[];
}

/** One canary that is watched. Replaced, not changed, when its attempt or its signals change. */
interface Watched extends Subject {
  target: EvidenceTarget;
  readonly pods: Set<string>;
  evidence: RevisionEvidence | null;
  /** When that came in, by the operator's clock. */
  arrivedMs: number | null;
  judgements: readonly SignalJudgement[];
  /** What the listener heard last, so that it hears changes only. */
  told: string;
  /** The look at the end of a hold. */
  cancel: Cancel;
}

/** Looks that fall due this close together share their queries. */
const gatherMs = 20;
/** Ranges of so many canaries at most are asked for by the same queries. */
const togetherAtMost = 50;
/** A hold's last point may still be on its way. */
const missingPointMs = 1_000;
/** A query that takes more of the interval than this makes the polls half as frequent. */
const slowShare = 0.1;

export class ServerPoller {
  /** The queries of users, tried when they are new. */
  readonly checks = new QueryChecks();
  readonly #options: ServerPollerOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #due = new Set<Watched>();
  readonly #underWay = new Set<Promise<void>>();
  #cancelPoll: Cancel = () => undefined;
  #cancelGather: Cancel | null = null;
  #slowed = false;
  /** Of the queries of the poll under way. */
  #slowestMs = 0;
  #running = false;
  #clockKnown = false;

  constructor(options: ServerPollerOptions) {
    const { source, clock } = options;
    const timed: typeof source.instant = async (...asked) => {
      const beganMs = clock.monotonicMs();
      const answer = await source.instant(...asked);
      this.#slowestMs = Math.max(this.#slowestMs, clock.monotonicMs() - beganMs);
      return answer;
    };
    const range: typeof source.range = (...asked) => source.range(...asked);
    const nowMs = (): number => source.nowMs();
    this.#options = { ...options, source: { instant: timed, range, nowMs } };
  }

  watch(target: EvidenceTarget, all: readonly ResolvedSignal[]): void {
    // What the pods' own conditions tell is no question to a server.
    const signals = all.filter(({ kind }) => kind !== 'availability');
    const before = this.#watched.get(target.key);
    if (before !== undefined && sameQuestion(before, target, signals)) {
      const atMs = before.evidence?.observedAtMs ?? 0;
      const wasDue = isDue(before, atMs);
      before.target = target;
      for (const { name } of target.canaryPods) before.pods.add(name);
      this.#arm(before);
      // An approval ends a hold that was over before.
      if (!wasDue && isDue(before, atMs)) this.#lookSoon(before);
      return;
    }
    this.forget(target.key);
    const watched: Watched = {
      target,
      signals,
      pods: new Set(target.canaryPods.map(({ name }) => name)),
      evidence: null,
      arrivedMs: null,
      judgements: [],
      told: '',
      cancel: () => undefined,
    };
    this.#watched.set(target.key, watched);
    this.#lookSoon(watched);
  }

  forget(key: string): void {
    const watched = this.#watched.get(key);
    watched?.cancel();
    if (watched !== undefined) this.#due.delete(watched);
    this.#watched.delete(key);
  }

  read(key: string): RevisionEvidence | null {
    return this.#watched.get(key)?.evidence ?? null;
  }

  arrivedMs(key: string): number | null {
    return this.#watched.get(key)?.arrivedMs ?? null;
  }

  judged(): JudgedCanary[] {
    return [...this.#watched].map(([key, { judgements }]) => ({ key, judgements }));
  }

  nowMs(): number {
    return this.#options.source.nowMs();
  }

  start(): void {
    this.#running = true;
    this.#pollAfter(0);
    for (const watched of this.#watched.values()) this.#lookSoon(watched);
  }

  /** Asks nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelPoll();
    this.#cancelGather?.();
    for (const { cancel } of this.#watched.values()) cancel();
    await Promise.all(this.#underWay);
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  #pollAfter(ms: number): void {
    if (!this.#running) return;
    this.#cancelPoll = this.#options.clock.setTimer(ms, () => this.#track(this.#poll()));
  }

  /** The next poll begins an interval after this one began, or when it ends. */
  async #poll(): Promise<void> {
    const { clock, log, intervalMs, settings } = this.#options;
    const beganMs = clock.monotonicMs();
    const subjects = [...this.#watched.values()];
    if (subjects.length > 0) await this.#lookAt(subjects, await this.#lookTime(), lookAtFleet);
    const tookMs = this.#slowestMs;
    this.#slowestMs = 0;
    const slow = tookMs > slowShare * intervalMs;
    if (slow !== this.#slowed) {
      const message = slow ? 'metric server is slow: asked half as often' : 'metric server is fast';
      log(slow ? 'warn' : 'info', message, { server: settings.name, tookMs: Math.round(tookMs) });
    }
    this.#slowed = slow;
    await this.#tryQueries();
    const passedMs = clock.monotonicMs() - beganMs;
    this.#pollAfter(Math.max(0, (slow ? 2 : 1) * intervalMs - passedMs));
  }

  async #tryQueries(): Promise<void> {
    const { clock, source, tell } = this.#options;
    const ask = (query: string): ReturnType<typeof source.instant> =>
      source.instant(query, source.nowMs());
    const news = await this.checks.run(clock.monotonicMs(), ask);
    for (const key of news) tell(key, { urgent: false });
  }

  /** The newest points of all; then the whole hold of those to whom it matters. */
  async #lookAt(
    subjects: readonly Watched[],
    atMs: number,
    look: typeof lookAtFleet,
  ): Promise<void> {
    const evidence = await look(this.#options, subjects, atMs);
    const closer: Watched[] = [];
    await inSlices(subjects, (watched, i) => {
      const newest = evidence[i];
      if (newest === undefined) return;
      const judgements = judgeSignals(watched.signals, newest, null);
      if (needsHistory(watched, newest, judgements)) closer.push(watched);
      else this.#store(watched, newest, judgements);
    });
    await this.#lookCloser(closer, atMs);
  }

  async #lookCloser(subjects: readonly Watched[], atMs: number): Promise<void> {
    for (let i = 0; i < subjects.length; i += togetherAtMost) {
      const some = subjects.slice(i, i + togetherAtMost);
      const evidence = await lookBack(this.#options, some, atMs);
      for (const [nth, watched] of some.entries()) {
        const known = evidence[nth];
        if (known === undefined) continue;
        this.#store(watched, known, judgeSignals(watched.signals, known, null));
      }
    }
  }

  /** All queries of one look share one time: the newest that every sample has reached. */
  async #lookTime(): Promise<number> {
    const { source, settings } = this.#options;
    if (!this.#clockKnown) {
      // Any answer tells the server's time; without one the look itself will say what is wrong.
      this.#clockKnown = (await source.instant('vector(1)', source.nowMs())).ok;
    }
    return gridFloor(source.nowMs() - settings.lagMs, settings.scrapeIntervalMs);
  }

  #lookSoon(watched: Watched): void {
    if (!this.#running) return;
    this.#due.add(watched);
    this.#cancelGather ??= this.#options.clock.setTimer(gatherMs, () => {
      this.#cancelGather = null;
      const subjects = [...this.#due];
      this.#due.clear();
      if (subjects.length > 0) this.#track(this.#lookNow(subjects));
    });
  }

  async #lookNow(subjects: readonly Watched[]): Promise<void> {
    const atMs = await this.#lookTime();
    const isNew = ({ evidence }: Watched): boolean => evidence === null;
    const fresh = subjects.filter(isNew);
    await Promise.all([
      ...(fresh.length > 0 ? [this.#lookAt(fresh, atMs, lookAtSome)] : []),
      this.#lookCloser(
        subjects.filter((watched) => !isNew(watched)),
        atMs,
      ),
    ]);
  }

  #store(
    watched: Watched,
    evidence: RevisionEvidence,
    judgements: readonly SignalJudgement[],
  ): void {
    const { target } = watched;
    // Forgotten or replaced meanwhile, or a later look was faster.
    if (this.#watched.get(target.key) !== watched) return;
    if ((watched.evidence?.observedAtMs ?? 0) > evidence.observedAtMs) return;
    watched.evidence = evidence;
    watched.arrivedMs = this.#options.clock.nowMs();
    watched.judgements = judgements;
    this.#arm(watched);
    const told = fingerprint(watched.judgements);
    const held = watched.judgements.some(({ breach }) => breach.state === 'held');
    const matters =
      held ||
      told !== watched.told ||
      isDue(watched, evidence.observedAtMs) ||
      watched.judgements.some(isAbsenceHeldAgainst);
    watched.told = told;
    if (matters) this.#options.tell(target.key, { urgent: held });
  }

  /** Sets the timer of the next moment at which a hold of this canary can be complete. */
  #arm(watched: Watched): void {
    watched.cancel();
    const { clock, settings, source } = this.#options;
    const { evidence, judgements } = watched;
    if (evidence === null || !this.#running) return;
    const stepMs = settings.scrapeIntervalMs;
    const moments = momentsOf(watched, judgements).map((ms) => gridCeil(ms, stepMs));
    const nowMs = source.nowMs();
    const waits = moments.flatMap((momentMs) => {
      if (momentMs > evidence.observedAtMs) return [momentMs + settings.lagMs - nowMs];
      const missing = judgements.some(({ absence }) => absence?.reason === 'Empty');
      const late = nowMs > momentMs + settings.lagMs + stepMs;
      return missing && !late ? [missingPointMs] : [];
    });
    if (waits.length === 0) return;
    const waitMs = Math.max(0, Math.min(...waits));
    watched.cancel = clock.setTimer(waitMs, () => this.#lookSoon(watched));
  }
}

/** A new step changes when to look, not what is asked. */
function sameQuestion(
  { target, signals }: Watched,
  next: EvidenceTarget,
  nextSignals: readonly ResolvedSignal[],
): boolean {
  return (
    target.namespace === next.namespace &&
    target.canaryReplicaSet === next.canaryReplicaSet &&
    target.attemptStartMs === next.attemptStartMs &&
    JSON.stringify(signals) === JSON.stringify(nextSignals)
  );
}

/** The step's hold has passed: the judge needs its whole length at each look. */
function isDue({ target }: Watched, atMs: number): boolean {
  const { stepStartMs, stepHoldSeconds, awaitsApproval } = target;
  if (awaitsApproval) return false;
  return stepStartMs !== null && stepStartMs + stepHoldSeconds * 1000 <= atMs;
}

/** Whether the newest points alone can't be judged. */
function needsHistory(
  watched: Watched,
  newest: RevisionEvidence,
  judgements: readonly SignalJudgement[],
): boolean {
  if (isDue(watched, newest.observedAtMs)) return true;
  const before = new Map(watched.judgements.map((judged) => [judged.signal.name, judged]));
  return judgements.some(({ signal, level, absence }) => {
    if (signal.rollback === null) return false;
    if (level === 'Breach') return true;
    // Two moments alone can't tell a failure from a counter that was there before.
    if (signal.kind === 'pqcHandshakeFailures' && level === 'Critical') return true;
    if (absence === null) return false;
    // An unknown point does not end a breach, and an absence may itself be held against the canary.
    const known = before.get(signal.name);
    return known === undefined || known.breach.state === 'suspect' || signal.noData === 'Rollback';
  });
}

/** Nothing changes while it lasts, and yet it becomes a verdict. */
function isAbsenceHeldAgainst({ signal, absence }: SignalJudgement): boolean {
  return signal.noData === 'Rollback' && absence !== null;
}

/** Server times at which a breach or a step's hold can be complete. */
function momentsOf({ target }: Watched, judgements: readonly SignalJudgement[]): number[] {
  const { stepStartMs, stepHoldSeconds } = target;
  const step = stepStartMs === null ? [] : [stepStartMs + stepHoldSeconds * 1000];
  const breaches = judgements.flatMap(({ breach }) =>
    breach.state === 'suspect' ? [breach.holdUntilMs] : [],
  );
  const absences = judgements.flatMap(({ signal, absentSinceMs }) =>
    signal.noData === 'Rollback' && absentSinceMs !== null
      ? [Math.max(absentSinceMs, stepStartMs ?? 0) + signal.forSeconds * 1000]
      : [],
  );
  return [...step, ...breaches, ...absences];
}

/** What a pass would see differently; values alone are no reason for one. */
function fingerprint(judgements: readonly SignalJudgement[]): string {
  return JSON.stringify(
    judgements.map(({ level, advanceLevel, breach, absence }) => [
      level,
      advanceLevel,
      breach.state,
      absence?.reason ?? null,
    ]),
  );
}
