// The ports of the evidence room: a metric server that can be asked, and the evidence that comes of
// it. Shapes only; prometheus.ts and poller.ts fill them.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Absence, AbsenceReason, EvidenceTarget } from '../core/evidence.ts';
import type { RevisionEvidence } from '../core/evidence.ts';
import type { Problem } from '../core/model.ts';
import { cut } from '../core/text.ts';

/** One series of an answer. Values may be NaN or infinite; an instant query gives one sample. */
export interface MetricRow {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly (readonly [timeMs: number, value: number])[];
}

/** What a query came to: so many rows, or the named reason why none is to be trusted. */
export type MetricAnswer =
  | { readonly ok: true; readonly rowCount: number }
  | {
      readonly ok: false;
      readonly absence: Absence;
      /** The server understood who asks, and can't parse this query or can't carry it out. */
      readonly refusal?: 'query' | 'execution';
    };

/** Hears of each row as it comes in, also of an answer that then turns out not to be trusted. */
export type TakeRow = (row: MetricRow) => void;

/** One metric server. A failing server is an answer: neither query ever rejects. */
export interface MetricSource {
  instant(query: string, timeMs: number, take: TakeRow): Promise<MetricAnswer>;
  /** Points at startMs, startMs + stepMs, … up to endMs; at most 11,000 (Prometheus' own limit). */
  range(
    query: string,
    startMs: number,
    endMs: number,
    stepMs: number,
    take: TakeRow,
  ): Promise<MetricAnswer>;
  /** The server's clock, estimated; the operator's until the server has answered once. */
  nowMs(): number;
}

/** Under whose names a server's metrics are (profiles.ts). */
export type ProfileName = 'http' | 'x0tta' | 'otel' | 'istio' | 'linkerd' | 'traefik';

export interface PodLabels {
  readonly namespace: string;
  readonly pod: string;
}

/** How a metric server is asked; from the operator's configuration. */
export interface ServerSettings {
  readonly name: string;
  /** http(s), without credentials, query or fragment; a path is kept as a prefix of the API's. */
  readonly url: string;
  /** S of evidence.md: the step of every range, and the least window is 2.5 of it. */
  readonly scrapeIntervalMs: number;
  /** The configuration leaves it to be measured, which has not been possible yet. */
  readonly scrapeIntervalIsAssumed: boolean;
  /**
   * How far behind the server's clock every query asks, for samples that are still on their way.
   */
  readonly lagMs: number;
  readonly timeoutMs: number;
  /** What is sent as Authorization; null: nothing. */
  readonly auth:
    | { readonly kind: 'bearer'; readonly tokenFile: string }
    | { readonly kind: 'basic'; readonly username: string; readonly passwordFile: string }
    | null;
  /** Sent with every query, for example X-Scope-OrgID. */
  readonly headers: Readonly<Record<string, string>>;
  /** Paths of PEM files; null: the machine's authorities, and no certificate of the client's. */
  readonly tls: {
    readonly caFile: string | null;
    readonly certFile: string | null;
    readonly keyFile: string | null;
  };
  /** Names of the metrics and of their labels. */
  readonly profile: ProfileName;
  /** Labels that name a series' namespace and pod, where they are not the profile's. */
  readonly labels: Partial<PodLabels>;
  /** Labels that every selector demands, for servers that hold several clusters. */
  readonly matchers: Readonly<Record<string, string>>;
}

/** What is wrong with a query that a user wrote, or that nothing is known of it yet. */
export interface QueryReport {
  readonly signal: string;
  readonly query: string;
  /**
   * untried: no answer has said anything of it since the start. refused: the server can't carry it
   * out. empty: it matches nothing at all.
   */
  readonly kind: 'untried' | 'refused' | 'empty';
  readonly message: string;
}

/** Hears that an object is worth a pass; urgent when a hold on a rollback limit may be complete. */
export type InterestListener = (key: string, interest: { readonly urgent: boolean }) => void;

/** Evidence for the judge. Reading it asks no server. */
export interface EvidencePort {
  /**
   * Watches an object's canary, or replaces what is known of it; the same target again changes
   * nothing. A new attemptStart, ReplicaSet or set of signals drops every point held.
   */
  watch(target: EvidenceTarget, signals: readonly ResolvedSignal[]): void;
  forget(key: string): void;
  /** The newest evidence; null until the first look, and for a key that nobody watches. */
  read(key: string): RevisionEvidence | null;
  /** When the newest evidence came in, by the operator's clock; null before. */
  arrivedMs(key: string): number | null;
  /** The clock of a metric server (null: the default one), ms since the epoch. */
  nowMs(server: string | null): number;
  /** Why the signals can't be judged with a server as it is configured; null when they can. */
  problemOf(server: string | null, signals: readonly ResolvedSignal[]): Problem | null;
  /**
   * Has an object's custom queries tried, within one poll, and returns all that are not known to be
   * fine. `release` ends it.
   */
  checkQueries(
    key: string,
    server: string | null,
    signals: readonly ResolvedSignal[],
  ): readonly QueryReport[];
  release(key: string): void;
  /** Sets the one listener. */
  onInteresting(listener: InterestListener): void;
}

/** An absence, its message cut to what a status may hold. */
export function absence(kind: Absence['kind'], reason: AbsenceReason, message: string): Absence {
  return { kind, reason, message: cut(message) };
}
