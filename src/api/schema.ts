// The resource as types: everything other rooms need to name an X0ttaDeployment, its spec and its
// status. The schemas stand in spec.ts and status.ts; the CRD is made from them in crd.ts.

import type { z } from 'zod';
import type { limitSchema, signalSchema, specSchema, templateSchema } from './spec.ts';
import type {
  conditionSchema,
  incidentSchema,
  levelSchema,
  phaseSchema,
  signalStatusSchema,
  statusSchema,
} from './status.ts';

/** T with every property and element readonly, as objects from the API server are treated. */
export type DeepReadonly<T> = T extends (infer U)[]
  ? readonly DeepReadonly<U>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** The spec as the API server returns it: its defaults are filled in. */
export type Spec = DeepReadonly<z.infer<typeof specSchema>>;
/** The spec as a user may write it: defaulted fields can be left out. */
export type SpecInput = DeepReadonly<z.input<typeof specSchema>>;
/** A pod template; everything but labels and annotations is unknown here. */
export type Template = DeepReadonly<z.infer<typeof templateSchema>>;
export type SignalSpec = DeepReadonly<z.infer<typeof signalSchema>>;
export type LimitSpec = DeepReadonly<z.infer<typeof limitSchema>>;
export type RouteKind = RouteSpec['kind'];
export type RouteSpec = NonNullable<Spec['traffic']['gatewayAPI']>['routes'][number];
export type Unit = NonNullable<SignalSpec['unit']>;
export type NoDataPolicy = NonNullable<SignalSpec['noData']>;

export type Status = DeepReadonly<z.infer<typeof statusSchema>>;
export type Phase = z.infer<typeof phaseSchema>;
export type Level = z.infer<typeof levelSchema>;
export type RoleStatus = NonNullable<Status['stable']>;
export type SignalStatus = DeepReadonly<z.infer<typeof signalStatusSchema>>;
export type Condition = DeepReadonly<z.infer<typeof conditionSchema>>;
export type Incident = DeepReadonly<z.infer<typeof incidentSchema>>;
export type EvidenceSample = NonNullable<Incident['evidence']>[number];
export type RejectedRevision = NonNullable<Status['rejected']>[number];
export type LastAction = NonNullable<Status['lastActions']>[number];

/**
 * The metadata that the operator reads; all of it is set on an object that came from the API
 * server.
 */
export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation: number;
  readonly resourceVersion: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An X0ttaDeployment as the API server returns it. */
export interface X0ttaDeployment {
  readonly apiVersion: 'x0tta.io/v1alpha1';
  readonly kind: 'X0ttaDeployment';
  readonly metadata: Metadata;
  readonly spec: Spec;
  /** The API server's default is `{observedGeneration: -1}`. */
  readonly status?: Status;
}
