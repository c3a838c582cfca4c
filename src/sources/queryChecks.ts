// Tries the queries that users wrote, before anything depends on them: one that the server can't
// parse, or that matches nothing, is known within a poll of its object's apply. Each text is asked
// once for all who use it. It keeps no evidence.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { MetricAnswer } from './port.ts';
import type { QueryReport } from './port.ts';

type Outcome =
  | { readonly kind: 'fine' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'refused'; readonly message: string };

interface Tried {
  /** Null while the server has said nothing of the query. */
  readonly outcome: Outcome | null;
  readonly againAtMs: number;
}

/** What matched nothing, or could not be carried out, is not asked again at every poll. */
const againMs = 300_000;
/** Nor is one that is too slow to be answered. */
const slowMs = 30_000;
/** Queries under way at a time: one that is slow must not hold up all others. */
const concurrency = 4;

export class QueryChecks {
  readonly #keys = new Set<string>();
  /** Which objects have a query by their spec, and which are judged by it. */
  readonly #askers = new Askers();
  readonly #judged = new Askers();
  readonly #tried = new Map<string, Tried>();
  #isStopped = false;

  /** Notes the queries of an object's signals, and says what is known of them. */
  check(key: string, signals: readonly ResolvedSignal[]): readonly QueryReport[] {
    const custom = signals.flatMap(({ name, query, absentIsZero }) =>
      query === null ? [] : [{ signal: name, query, absentIsZero }],
    );
    this.#keys.add(key);
    this.#askers.set(key, custom);
    return custom.flatMap(({ signal, query, absentIsZero }): readonly QueryReport[] => {
      const outcome = this.#tried.get(query)?.outcome ?? null;
      if (outcome === null) return [{ signal, query, kind: 'untried', message: 'not asked yet' }];
      if (outcome.kind === 'fine') return [];
      if (outcome.kind === 'empty' && absentIsZero) return [];
      const message = outcome.kind === 'refused' ? outcome.message : 'it matches no series';
      return [{ signal, query, kind: outcome.kind, message }];
    });
  }

  forget(key: string): void {
    this.#askers.set(key, []);
    this.#keys.delete(key);
  }

  /** Notes what an object is judged by, which an edit that is invalid does not change. */
  judges(key: string, signals: readonly ResolvedSignal[]): void {
    this.#judged.set(key, signals);
  }

  /** Every object that was checked and not forgotten, also without a query. */
  keys(): Iterable<string> {
    return this.#keys;
  }

  /** More than one object has it. */
  isShared(query: string): boolean {
    return new Set([...this.#askers.of(query), ...this.#judged.of(query)]).size > 1;
  }

  /** Ends `run` after the queries that are under way. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Asks what was not asked yet; returns the keys of the objects that there is news for. */
  async run(
    nowMs: number,
    ask: (query: string) => Promise<MetricAnswer>,
  ): Promise<ReadonlySet<string>> {
    const users = this.#askers.byQuery;
    for (const query of this.#tried.keys()) if (!users.has(query)) this.#tried.delete(query);
    const news = new Set<string>();
    const due = [...users.keys()].filter(
      (query) => nowMs >= (this.#tried.get(query)?.againAtMs ?? 0),
    );
    // What nobody has tried yet goes first.
    const waiting = due.toSorted((a, b) => this.#isTried(a) - this.#isTried(b)).values();
    const work = async (): Promise<void> => {
      for (const query of waiting) {
        if (this.#isStopped) return;
        if (this.#isNews(query, await ask(query), nowMs)) {
          // Those who have it now: a pass may have come while it was under way.
          for (const key of this.#askers.of(query)) news.add(key);
        }
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return news;
  }

  #isTried(query: string): number {
    return this.#tried.has(query) ? 1 : 0;
  }

  #isNews(query: string, answer: MetricAnswer, nowMs: number): boolean {
    const outcome = outcomeOf(answer);
    const known = this.#tried.get(query)?.outcome ?? null;
    // A server in trouble takes nothing back.
    const againAtMs = nowMs + waitMs(outcome, answer);
    this.#tried.set(query, { outcome: outcome ?? known, againAtMs });
    return outcome !== null && outcome.kind !== known?.kind;
  }
}

/** Which objects have which queries. */
class Askers {
  readonly byQuery = new Map<string, Set<string>>();
  readonly #byKey = new Map<string, readonly string[]>();

  /** Instead of those that the object had; none leaves nothing of it. */
  set(key: string, list: readonly { readonly query: string | null }[]): void {
    for (const query of this.#byKey.get(key) ?? []) {
      const keys = this.byQuery.get(query);
      keys?.delete(key);
      if (keys?.size === 0) this.byQuery.delete(query);
    }
    const queries = list.flatMap(({ query }) => query ?? []);
    if (queries.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, queries);
    for (const query of queries) {
      this.byQuery.set(query, (this.byQuery.get(query) ?? new Set()).add(key));
    }
  }

  of(query: string): ReadonlySet<string> {
    return this.byQuery.get(query) ?? nobody;
  }
}

const nobody: ReadonlySet<string> = new Set();

function waitMs(outcome: Outcome | null, answer: MetricAnswer): number {
  if (outcome !== null) return outcome.kind === 'fine' ? Infinity : againMs;
  return !answer.ok && answer.absence.reason === 'TimedOut' ? slowMs : 0;
}

/** Null where the answer says nothing of the query: it is asked again. */
function outcomeOf(answer: MetricAnswer): Outcome | null {
  if (answer.ok) return { kind: answer.rowCount === 0 ? 'empty' : 'fine' };
  return answer.refusal === undefined ? null : { kind: 'refused', message: answer.absence.message };
}
