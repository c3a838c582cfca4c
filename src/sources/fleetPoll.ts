// Looks at many canaries of one metric server once an interval, or half as often while that is
// slow. Who they are and what follows from what is seen is its owner's.
import type { Cancel, Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { lookAtFleet, revisionsOf } from './look.ts';
import type { Seen } from './look.ts';
import type { MetricSource } from './port.ts';
import type { Server } from './questions.ts';
import type { Revisions } from './rowTable.ts';
import type { Watched } from './watched.ts';

export interface FleetPollOptions {
  /** As it is known by now. */
  readonly server: () => Server;
  readonly clock: Clock;
  readonly log: Log;
  /** Likewise. */
  readonly intervalMs: () => number;
  /** Whether it is about canaries with queries of users; said where it is slow. */
  readonly hasUserQueries: boolean;
  /** Whom to look at; asked again when they changed. */
  readonly subjects: () => readonly Watched[];
  /** The server's time to look at. */
  readonly lookTime: () => Promise<number>;
  readonly judge: (subjects: readonly Watched[], seen: Seen) => Promise<void>;
  /** Whether anybody's evidence is still of that look. */
  readonly isRead: (seen: Seen) => boolean;
  /** At the end of each poll. */
  readonly afterwards: () => void;
}

/** Whom to look at, with their names, and where. */
interface Fleet {
  readonly server: Server;
  readonly subjects: readonly Watched[];
  readonly revisions: Revisions;
}

/** A query that takes more of the interval than this makes the polls half as frequent. */
const slowShare = 0.1;

export class FleetPoll {
  readonly #options: FleetPollOptions;
  /** The server's, which tells how long the queries of a poll take. */
  readonly #timed: MetricSource;
  /** Null when it is to be made anew. */
  #fleet: Fleet | null = null;
  #last: Seen | null = null;
  #cancel: Cancel = () => undefined;
  #underWay: Promise<void> = Promise.resolve();
  #running = false;
  #slowed = false;
  /** Of the queries of the poll under way. */
  #slowestMs = 0;

  constructor(options: FleetPollOptions) {
    const { clock, server } = options;
    const { source } = server();
    const instant: typeof source.instant = async (...asked) => {
      const beganMs = clock.monotonicMs();
      const answer = await source.instant(...asked);
      this.#slowestMs = Math.max(this.#slowestMs, clock.monotonicMs() - beganMs);
      return answer;
    };
    const range: typeof source.range = (...asked) => source.range(...asked);
    const nowMs = (): number => source.nowMs();
    this.#options = options;
    this.#timed = { instant, range, nowMs };
  }

  /** Whom to look at, and how the server is asked, is to be found out again. */
  changed(): void {
    this.#fleet = null;
  }

  start(): void {
    this.#running = true;
    this.#pollAfter(0);
  }

  /** Asks nothing more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#cancel();
    await this.#underWay;
  }

  #pollAfter(ms: number): void {
    if (!this.#running) return;
    this.#cancel = this.#options.clock.setTimer(ms, () => {
      this.#underWay = this.#poll();
    });
  }

  /** The next poll begins an interval after this one began, or when it ends. */
  async #poll(): Promise<void> {
    const { clock, log, server, hasUserQueries, afterwards } = this.#options;
    const beganMs = clock.monotonicMs();
    await this.#look();
    const intervalMs = this.#options.intervalMs();
    const tookMs = this.#slowestMs;
    this.#slowestMs = 0;
    const slow = tookMs > slowShare * intervalMs;
    if (slow !== this.#slowed) {
      const message = slow ? 'metric server is slow: asked half as often' : 'metric server is fast';
      const fields = { server: server().settings.name, hasUserQueries, tookMs: Math.round(tookMs) };
      log(slow ? 'warn' : 'info', message, fields);
    }
    this.#slowed = slow;
    afterwards();
    const passedMs = clock.monotonicMs() - beganMs;
    this.#pollAfter(Math.max(0, (slow ? 2 : 1) * intervalMs - passedMs));
  }

  #everybody(): Fleet {
    if (this.#fleet !== null) return this.#fleet;
    const { server: serverNow, subjects: whom } = this.#options;
    const server = { ...serverNow(), source: this.#timed };
    const subjects = whom();
    this.#fleet = { server, subjects, revisions: revisionsOf(server, subjects) };
    return this.#fleet;
  }

  async #look(): Promise<void> {
    const { lookTime, judge, isRead } = this.#options;
    const last = this.#last;
    this.#last = null;
    if (this.#everybody().subjects.length === 0) return;
    const atMs = await lookTime();
    // With the time may come how often the server scrapes, and meanwhile somebody else.
    const { server, subjects, revisions } = this.#everybody();
    if (subjects.length === 0) return;
    this.#last = await lookAtFleet(server, subjects, atMs, revisions);
    await judge(subjects, this.#last);
    // Everybody has newer evidence now, unless the server's clock was set back.
    if (last !== null && !isRead(last)) last.release();
  }
}
