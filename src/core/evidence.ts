// The shapes in which evidence reaches the judge: raw counts and buckets per point in time, or a
// named absence. It holds no thresholds and fetches nothing; sources/ fills these shapes,
// signals.ts reads them.

/**
 * The five kinds of absence that decide (evidence.md, "Absence"); none is a pass and none blames.
 */
export type AbsenceKind = 'noData' | 'notANumber' | 'infinite' | 'untrusted' | 'unreachable';

/** The finer reason of an absence, which is what the user reads. */
export type AbsenceReason =
  | 'Refused'
  | 'TimedOut'
  | 'ClientError'
  | 'ServerError'
  | 'Malformed'
  | 'Truncated'
  | 'TooManySeries'
  | 'Stale'
  | 'Partial'
  | 'Empty'
  | 'NotANumber'
  | 'Infinite'
  | 'ProfileMismatch'
  | 'AmbiguousSource'
  | 'TooFewRequests'
  | 'LimitAboveTopBucket'
  | 'NotYetAsked';

export interface Absence {
  readonly kind: AbsenceKind;
  readonly reason: AbsenceReason;
  /** One sentence: what was asked, what came back, what to do. At most 1 KiB. */
  readonly message: string;
}

/** Requests per second of one revision at one time, by status class label value ("200", "503"). */
export interface RequestPoint {
  readonly timeMs: number;
  readonly byCode: readonly { readonly code: string; readonly perSecond: number }[];
}

/** Requests per second at or below each boundary (seconds, ascending, the last may be Infinity). */
export interface LatencyPoint {
  readonly timeMs: number;
  readonly buckets: readonly { readonly le: number; readonly perSecond: number }[];
}

/**
 * One value of a custom query, in the signal's own unit; NaN and infinities are kept as they came.
 */
export interface ValuePoint {
  readonly timeMs: number;
  readonly value: number;
}

/** A value of each pod that reports one, by the pod's name. */
export type PodValues = Readonly<Record<string, number>>;

/** A gauge of each pod of both revisions. */
export interface PodsPoint {
  readonly timeMs: number;
  readonly canary: PodValues;
  readonly stable: PodValues;
}

/** Raw counters of a pod's handshakes; null for a series that the pod does not have. */
export interface HandshakeCounters {
  readonly failures: number | null;
  readonly successes: number | null;
}

/** The counters of each pod of both revisions that was Ready by then. */
export interface HandshakesPoint {
  readonly timeMs: number;
  readonly canary: Readonly<Record<string, HandshakeCounters>>;
  readonly stable: Readonly<Record<string, HandshakeCounters>>;
}

export type RawPoints =
  | { readonly kind: 'requests'; readonly points: readonly RequestPoint[] }
  | { readonly kind: 'latency'; readonly points: readonly LatencyPoint[] }
  | { readonly kind: 'value'; readonly points: readonly ValuePoint[] }
  | { readonly kind: 'pods'; readonly points: readonly PodsPoint[] }
  | { readonly kind: 'handshakes'; readonly points: readonly HandshakesPoint[] };

/** What is known of one signal of one revision. */
export type SignalEvidence =
  | {
      readonly state: 'known';
      /** The points of the newest instant query (one point, or none when the row was empty). */
      readonly latest: RawPoints;
      /**
       * The points of a range query, ascending, on the grid of multiples of stepSeconds; null while
       * nobody needed one. No point's window reaches before the attempt's start.
       */
      readonly history: RawPoints | null;
      /** Whether that reaches as far back as the signal's holds, and not to the newest alone. */
      readonly isWhole: boolean;
      readonly windowSeconds: number;
      readonly stepSeconds: number;
      /** The query as sent, for the incident. */
      readonly query: string;
      /** Names of the series that were looked for. */
      readonly lookedFor: string;
    }
  | {
      readonly state: 'absent';
      readonly absence: Absence;
      /** Prometheus' time (or the operator's, when unreachable) at which this absence began. */
      readonly sinceMs: number;
      readonly query: string;
    };

/**
 * All evidence on one revision at one look. All times are the metric server's, in ms since the
 * epoch.
 */
export interface RevisionEvidence {
  readonly observedAtMs: number;
  readonly signals: Readonly<Record<string, SignalEvidence>>;
}

export interface EvidencePod {
  readonly name: string;
  /** Since when it has been Ready; null while it is not. */
  readonly readySinceMs: number | null;
}

/** What the judge wants looked at, for one object with a canary; the poller's only input. */
export interface EvidenceTarget {
  /** namespace/name of the object. */
  readonly key: string;
  readonly namespace: string;
  /** A server's name in the operator's configuration; null means its default one. */
  readonly server: string | null;
  readonly canaryReplicaSet: string;
  readonly stableReplicaSet: string | null;
  /** The stem of the two services, for metrics that name those instead of pods. */
  readonly service: string;
  /** The pods of the canary; those ever listed in this attempt tell ambiguous sources. */
  readonly canaryPods: readonly EvidencePod[];
  readonly stablePods: readonly EvidencePod[];
  /** Start of this attempt: no point counts whose window reaches before it. */
  readonly attemptStartMs: number;
  /** When the step's hold began (weight accepted by the router); null while it has not. */
  readonly stepStartMs: number | null;
  /** Length of the running step's hold; the final step's is the longest `for`. */
  readonly stepHoldSeconds: number;
  /** The step can't end before a person approved it, whatever the evidence. */
  readonly awaitsApproval: boolean;
}
