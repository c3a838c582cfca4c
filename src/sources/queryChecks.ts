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
  readonly outcome: Outcome;
  readonly atMs: number;
}

interface Declared {
  readonly signal: string;
  readonly query: string;
}

/** What matched nothing may match later, which is no reason to ask at every poll. */
const againMs = 300_000;

export class QueryChecks {
  readonly #declared = new Map<string, readonly Declared[]>();
  readonly #tried = new Map<string, Tried>();

  /** Notes the queries of an object's signals, and says what is known of them. */
  check(key: string, signals: readonly ResolvedSignal[]): readonly QueryReport[] {
    const custom = signals.flatMap(({ name, query }) =>
      query === null ? [] : [{ signal: name, query }],
    );
    if (custom.length === 0) this.#declared.delete(key);
    else this.#declared.set(key, custom);
    return custom.flatMap(({ signal, query }) => {
      const outcome = this.#tried.get(query)?.outcome;
      if (outcome === undefined || outcome.kind === 'fine') return [];
      const message = outcome.kind === 'refused' ? outcome.message : 'it matches no series';
      return [{ signal, query, kind: outcome.kind, message }];
    });
  }

  forget(key: string): void {
    this.#declared.delete(key);
  }

  /** Asks what was not asked yet; returns the keys of the objects that there is news for. */
  async run(
    nowMs: number,
    ask: (query: string) => Promise<MetricAnswer>,
  ): Promise<ReadonlySet<string>> {
    const users = Map.groupBy(
      [...this.#declared].flatMap(([key, list]) => list.map(({ query }) => ({ key, query }))),
      ({ query }) => query,
    );
    for (const query of this.#tried.keys()) if (!users.has(query)) this.#tried.delete(query);
    const news = new Set<string>();
    for (const [query, list] of users) {
      const known = this.#tried.get(query);
      const isDue = known?.outcome.kind === 'empty' && nowMs >= known.atMs + againMs;
      if (known !== undefined && !isDue) continue;
      const outcome = outcomeOf(await ask(query));
      if (outcome === null) continue;
      this.#tried.set(query, { outcome, atMs: nowMs });
      if (outcome.kind === (known?.outcome.kind ?? 'fine')) continue;
      for (const { key } of list) news.add(key);
    }
    return news;
  }
}

/** Null where the answer says nothing of the query: it is asked again. */
function outcomeOf(answer: MetricAnswer): Outcome | null {
  if (answer.ok) return { kind: answer.rowCount === 0 ? 'empty' : 'fine' };
  const { reason, message } = answer.absence;
  return reason === 'ClientError' ? { kind: 'refused', message } : null;
}
