// Decides when one metric server is asked about which canaries: the whole fleet once an interval
// (fleetPoll.ts), and one canary at the very moment at which its hold can be complete.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { EvidenceTarget, RevisionEvidence } from '../core/evidence.ts';
import { judgeSignals } from '../core/judgement.ts';
import type { SignalJudgement } from '../core/judgement.ts';
import type { Problem } from '../core/model.ts';
import type { Cancel, Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { inSlices } from '../runtime/slices.ts';
import { FleetPoll } from './fleetPoll.ts';
import { lookHalving } from './halving.ts';
import { isDue, lookAtFleet, lookAtSome, lookBack } from './look.ts';
import type { Seen } from './look.ts';
import type { Server } from './questions.ts';
import type { InterestListener, MetricAnswer } from './port.ts';
import { QueryChecks } from './queryChecks.ts';
import { Scrapes } from './scrapes.ts';
import * as watching from './watched.ts';
import { newlyWatched } from './watched.ts';
import type { Watched } from './watched.ts';
import { gridFloor, pollIntervalOf } from './windows.ts';

export interface ServerPollerOptions extends Omit<Server, 'isShared'> {
  readonly clock: Clock;
  readonly log: Log;
  /** Null: max(5 s, the server's scrape interval). */
  readonly pollIntervalMs: number | null;
  readonly tell: InterestListener;
}

/** What is known of one canary by now. */
export interface JudgedCanary {
  /** namespace/name of the object. */
  readonly key: string;
  readonly judgements: readonly SignalJudgement[];
}

/** Looks that fall due this close together share their queries. */
const gatherMs = 20;
/** So many canaries at most are named in one query. */
const togetherAtMost = 50;
/** Moments this close together are one. */
const sameMs = 2;

export class ServerPoller {
  /** The queries of users, tried when they are new. */
  readonly checks = new QueryChecks();
  readonly #options: ServerPollerOptions;
  readonly #scrapes: Scrapes;
  /** Those with queries of users apart: however slow these are, nobody else waits for them. */
  readonly #polls: readonly FleetPoll[];
  readonly #watched = new Map<string, Watched>();
  /** One list for all objects whose signals are the same, by what they are. */
  readonly #signals = new Map<string, readonly ResolvedSignal[]>();
  readonly #due = new Set<Watched>();
  readonly #underWay = new Set<Promise<void>>();
  #cancelGather: Cancel | null = null;
  #isTrying = false;
  /** Whether those with queries of users, and those without, are being looked at first. */
  readonly #meeting = new Set<boolean>();
  #running = false;
  #clockKnown = false;

  constructor(options: ServerPollerOptions) {
    this.#options = options;
    const onNews = (): void => this.#heedScrapes();
    this.#scrapes = new Scrapes({ ...options, keys: () => this.#keys(), onNews });
    this.#polls = [false, true].map((hasUserQueries) => this.#pollOf(hasUserQueries));
  }

  watch(target: EvidenceTarget, all: readonly ResolvedSignal[]): void {
    const signals = this.#shared(all);
    const before = this.#watched.get(target.key);
    if (before === undefined || !watching.sameNames(before, target)) this.#changed();
    if (before !== undefined && watching.sameQuestion(before, target, signals)) {
      const atMs = before.seen?.by.atMs ?? 0;
      const wasDue = isDue(before, atMs);
      before.target = target;
      for (const { name } of target.canaryPods) before.pods.add(name);
      this.#arm(before);
      // An approval ends a hold that was over before.
      if (!wasDue && isDue(before, atMs)) this.#lookSoon(before);
      return;
    }
    this.forget(target.key);
    const watched = newlyWatched(target, signals);
    this.#watched.set(target.key, watched);
    this.checks.judges(target.key, signals);
    this.#lookSoon(watched);
  }

  forget(key: string): void {
    const watched = this.#watched.get(key);
    watched?.cancel();
    if (watched !== undefined) this.#due.delete(watched);
    this.#watched.delete(key);
    this.checks.judges(key, []);
    this.#changed();
  }

  read(key: string): RevisionEvidence | null {
    const watched = this.#watched.get(key);
    return watched === undefined ? null : watching.evidenceOn(watched);
  }

  arrivedMs(key: string): number | null {
    return this.#watched.get(key)?.arrivedMs ?? null;
  }

  judged(): JudgedCanary[] {
    return [...this.#watched].map(([key, watched]) => ({
      key,
      judgements: watching.judge(watched),
    }));
  }

  nowMs(): number {
    return this.#options.source.nowMs();
  }

  /** Why the signals can't be judged at the server's scrape interval; null when they can. */
  problemOf(signals: readonly ResolvedSignal[]): Problem | null {
    return this.#scrapes.problemOf(signals);
  }

  start(): void {
    this.#running = true;
    for (const poll of this.#polls) poll.start();
    for (const watched of this.#watched.values()) this.#lookSoon(watched);
  }

  /** Asks nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.checks.stop();
    this.#cancelGather?.();
    for (const { cancel } of this.#watched.values()) cancel();
    await Promise.all([...this.#polls.map((poll) => poll.stop()), ...this.#underWay]);
  }

  /** As it is known by now. */
  get #server(): Server {
    const { source } = this.#options;
    const { settings } = this.#scrapes;
    return { source, settings, isShared: (query) => this.checks.isShared(query) };
  }

  /** What is asked follows the scrape interval, and whether a hold is long enough. */
  #heedScrapes(): void {
    this.#changed();
    for (const key of this.#keys()) this.#options.tell(key, { urgent: false });
  }

  /** Of all objects of the server, with a canary or without. */
  #keys(): ReadonlySet<string> {
    return new Set([...this.checks.keys(), ...this.#watched.keys()]);
  }

  #shared(all: readonly ResolvedSignal[]): readonly ResolvedSignal[] {
    // What the pods' own conditions tell is no question to a server.
    const signals = all.filter(({ kind }) => kind !== 'availability');
    const text = JSON.stringify(signals);
    const known = this.#signals.get(text);
    if (known !== undefined) return known;
    // Many more than there are objects: most of them are nobody's any more.
    if (this.#signals.size > 2 * this.#watched.size + 16) this.#signals.clear();
    this.#signals.set(text, signals);
    return signals;
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  #pollOf(hasUserQueries: boolean): FleetPoll {
    const { clock, log, pollIntervalMs } = this.#options;
    const all = (): Watched[] => [...this.#watched.values()];
    return new FleetPoll({
      server: () => this.#server,
      clock,
      log,
      intervalMs: () => pollIntervalOf(this.#scrapes.settings.scrapeIntervalMs, pollIntervalMs),
      hasUserQueries,
      subjects: () => all().filter((one) => watching.hasUserQuery(one) === hasUserQueries),
      lookTime: () => this.#lookTime(),
      judge: (subjects, seen) => this.#judge(subjects, seen),
      isRead: (look) => all().some(({ seen }) => seen?.by === look),
      // The other one takes as long as the queries that are tried.
      afterwards: hasUserQueries ? () => undefined : () => this.#askBeside(),
    });
  }

  #changed(): void {
    for (const poll of this.#polls) poll.changed();
  }

  /** Beside the polls, which wait for no query of a user's, nor to know of the scrapes. */
  #askBeside(): void {
    this.#track(this.#scrapes.measure());
    if (this.#isTrying) return;
    this.#isTrying = true;
    this.#track(
      this.#tryEach().finally(() => {
        this.#isTrying = false;
      }),
    );
  }

  async #tryEach(): Promise<void> {
    const { clock, source, tell } = this.#options;
    const ask = (query: string): ReturnType<typeof source.instant> =>
      source.instant(query, source.nowMs(), () => undefined);
    const news = await this.checks.run(clock.monotonicMs(), ask);
    for (const key of news) tell(key, { urgent: false });
  }

  /** The newest points of all; then the whole hold of those to whom it matters. */
  async #judge(subjects: readonly Watched[], by: Seen): Promise<void> {
    const closer: Watched[] = [];
    await inSlices(subjects, (watched, nth) => {
      const newest = this.#evidenceOn(watched, { by, nth });
      const judgements = judgeSignals(watched.signals, newest, null);
      const wanted = watching.wantedHistory(watched, judgements);
      if (wanted.length === 0 && !isDue(watched, by.atMs)) {
        this.#store(watched, { by, nth }, newest, judgements);
      } else if (!this.#isOlder(by, watched)) {
        watched.wanted = wanted;
        closer.push(watched);
      }
    });
    await this.#lookCloser(closer, by.atMs);
  }

  /** Those at the end of a step need a longer range than the rest, and are asked for apart. */
  async #lookCloser(subjects: readonly Watched[], atMs: number): Promise<void> {
    // Nor does anybody wait for the queries of others.
    const kindOf = (watched: Watched): string =>
      `${isDue(watched, atMs)} ${watching.hasUserQuery(watched)}`;
    const lookAt = async (group: readonly Watched[]): Promise<void> => {
      for (let i = 0; i < group.length; i += togetherAtMost) {
        await this.#lookBackAt(group.slice(i, i + togetherAtMost), atMs);
      }
    };
    const groups = [...Map.groupBy(subjects, kindOf).values()];
    await Promise.all(groups.map(lookAt));
  }

  /** Fewer at a time where the server can't answer about all. */
  async #lookBackAt(subjects: readonly Watched[], atMs: number): Promise<void> {
    const wantedOf = (one: Watched): readonly string[] =>
      isDue(one, atMs) ? watching.namesOf(one) : one.wanted;
    await lookHalving(subjects, {
      look: (some) => lookBack(this.#server, some, atMs, some.map(wantedOf)),
      take: (watched, by, nth) => {
        const evidence = this.#evidenceOn(watched, { by, nth });
        this.#store(watched, { by, nth }, evidence, judgeSignals(watched.signals, evidence, null));
      },
    });
  }

  /** All queries of one look share one time: the newest that every sample has reached. */
  async #lookTime(): Promise<number> {
    const { source } = this.#options;
    if (!this.#clockKnown) {
      // Any answer tells the server's time; without one the look itself will say what is wrong.
      this.#clockKnown = (await this.#askTime()).ok;
      // A window that no scrape falls into would be an absence.
      if (this.#clockKnown) await this.#scrapes.measure();
    }
    const { lagMs, scrapeIntervalMs } = this.#scrapes.settings;
    return gridFloor(source.nowMs() - lagMs, scrapeIntervalMs);
  }

  #askTime(): Promise<MetricAnswer> {
    const { source } = this.#options;
    return source.instant('vector(1)', source.nowMs(), () => undefined);
  }

  #lookSoon(watched: Watched): void {
    this.#due.add(watched);
    this.#gather();
  }

  #gather(): void {
    if (!this.#running || this.#due.size === 0) return;
    this.#cancelGather ??= this.#options.clock.setTimer(gatherMs, () => {
      this.#cancelGather = null;
      const known = [...this.#due].filter(({ seen }) => seen !== null);
      if (known.length > 0) this.#track(this.#lookAgain(known));
      for (const watched of known) this.#due.delete(watched);
      for (const fresh of Map.groupBy(this.#due, watching.hasUserQuery)) this.#meet(...fresh);
    });
  }

  /** New canaries wait for those that are looked at already, and share their queries. */
  #meet(hasUserQueries: boolean, fresh: readonly Watched[]): void {
    if (this.#meeting.has(hasUserQueries)) return;
    for (const watched of fresh) this.#due.delete(watched);
    this.#meeting.add(hasUserQueries);
    this.#track(
      this.#lookFirst(fresh).finally(() => {
        this.#meeting.delete(hasUserQueries);
        this.#gather();
      }),
    );
  }

  async #lookAgain(subjects: readonly Watched[]): Promise<void> {
    await this.#lookCloser(subjects, await this.#lookTime());
  }

  /** The first look at canaries of which nothing is known. */
  async #lookFirst(subjects: readonly Watched[]): Promise<void> {
    const look = subjects.length > togetherAtMost ? lookAtFleet : lookAtSome;
    const atMs = await this.#lookTime();
    await this.#judge(subjects, await look(this.#server, subjects, atMs));
  }

  /** What a look says; a clock that was wrong does not say since when something is absent. */
  #evidenceOn(watched: Watched, { by, nth }: NonNullable<Watched['seen']>): RevisionEvidence {
    if (this.#isAhead(watched)) watched.absentSinceMs = {};
    return by.evidenceOn(nth, watched);
  }

  /** It was looked at by a clock that was set back since then. */
  #isAhead({ seen }: Watched): boolean {
    return seen !== null && seen.by.atMs > this.#options.source.nowMs();
  }

  #isOlder(look: Seen, watched: Watched): boolean {
    return look.atMs < (watched.seen?.by.atMs ?? 0) && !this.#isAhead(watched);
  }

  #store(
    watched: Watched,
    seen: NonNullable<Watched['seen']>,
    evidence: RevisionEvidence,
    judgements: readonly SignalJudgement[],
  ): void {
    const { target } = watched;
    // Forgotten or replaced meanwhile, or a later look was faster.
    if (this.#watched.get(target.key) !== watched) return;
    if (this.#isOlder(seen.by, watched)) return;
    // At the same time one look may have read more than another one.
    const isAgain = watched.seen?.by.atMs === seen.by.atMs;
    if (isAgain && watching.losesHistory(watched.history, evidence)) return;
    watched.seen = seen;
    watched.absentSinceMs = watching.absencesIn(evidence);
    watched.arrivedMs = this.#options.clock.nowMs();
    watched.suspects = watching.suspectsOf(judgements);
    watched.wanted = watching.wantedHistory(watched, judgements);
    watched.history = watching.hasHistory(evidence) ? evidence : null;
    watched.verdictsMs = watching.verdictsIn(watched, judgements);
    watched.isLate = watching.isLate(judgements);
    this.#arm(watched);
    const told = watching.fingerprint(judgements);
    const urgent = watching.isVerdictDue(watched, judgements, seen.by.atMs);
    const isNews = told !== watched.told;
    const matters =
      urgent ||
      isNews ||
      isDue(watched, seen.by.atMs) ||
      judgements.some(watching.isAbsenceHeldAgainst);
    if (isNews) watched.told = told;
    if (matters) this.#options.tell(target.key, { urgent });
  }

  /** Sets the timer of the next moment at which a hold of this canary can be complete. */
  #arm(watched: Watched): void {
    const { clock, source } = this.#options;
    const { settings } = this.#scrapes;
    const waitMs = this.#running ? watching.waitMs(watched, settings, source.nowMs()) : null;
    const dueMs = waitMs === null ? null : clock.monotonicMs() + waitMs;
    // A timer that stands is left alone, as it is at nearly every poll.
    if (dueMs === watched.dueMs || Math.abs((dueMs ?? 0) - (watched.dueMs ?? 0)) < sameMs) return;
    watched.cancel();
    watched.dueMs = dueMs;
    if (waitMs === null) return;
    watched.cancel = clock.setTimer(waitMs, () => {
      watched.dueMs = null;
      this.#lookSoon(watched);
    });
  }
}
