// The status of an X0ttaDeployment: what people read. What must survive a lost status also stands
// as annotations on ReplicaSets and routes (names.ts). It holds schemas only; core folds the
// values.

import * as z from 'zod';
import { ACTION_VERBS } from './actions.ts';
import { BUILT_IN_NAMES } from './runbook.ts';
import {
  MAX_EVIDENCE_SAMPLES,
  MAX_INCIDENTS,
  MAX_LAST_ACTIONS,
  MAX_REJECTED,
  MAX_SIGNALS,
  MAX_STATUS_TEXT,
} from './limits.ts';

const text = (description: string) => z.string().max(MAX_STATUS_TEXT).describe(description);
const time = (description: string) => z.string().meta({ description, format: 'date-time' });
const count = (description: string) => z.int().min(0).max(2_147_483_647).describe(description);
const percent = (description: string) => z.int().min(0).max(100).describe(description);
const revisionName = (description: string) => z.string().max(63).describe(description);

/** Where an object stands; every phase is explained in its description. */
export const phaseSchema = z
  .enum([
    'Stable',
    'Progressing',
    'AwaitingApproval',
    'Baking',
    'RollingBack',
    'RolledBack',
    'Paused',
    'Invalid',
  ])
  .describe(
    'Stable: one revision serves. Progressing: a canary is on its way. AwaitingApproval: its ' +
      'step waits for a person. Baking: it has all the traffic and is still judged. ' +
      'RollingBack: the verdict is taken, traffic not yet confirmed. RolledBack: every route ' +
      'was read back with the canary at 0. Paused: a person stopped the advance. Invalid: the ' +
      'object cannot be carried out as written; traffic is untouched.',
  );

/** How a signal of the canary stands against its limits. */
export const levelSchema = z
  .enum(['Unknown', 'Normal', 'Warning', 'Critical', 'Breach'])
  .describe('Unknown: no usable evidence. Breach: beyond the rollback limit.');

const roleSchema = (role: string) =>
  z
    .object({
      revision: revisionName(
        `Name of the ${role} revision, ten characters from the hash of its template.`,
      ),
      replicaSet: z.string().max(253).describe(`ReplicaSet of the ${role} revision.`),
      images: text(`Images of the ${role} revision's containers, separated by commas.`).optional(),
      replicas: count(`Pods asked for from the ${role} ReplicaSet.`),
      available: count(`Pods of the ${role} ReplicaSet that are available.`),
      weight: percent(
        `Percent of the traffic that the ${role} revision gets, as the router confirms it.`,
      ).optional(),
    })
    .describe(`The ${role} revision.`);

export const stepStatusSchema = z
  .object({
    current: count(
      'Number of the running step, from 1; total + 1 while at 100 % before promotion.',
    ),
    total: count('Number of steps in spec.canary.steps.'),
    label: z.string().max(32).describe('The same for display, for example 2/4.'),
    startedAt: time('When the hold of this step began: its weight was accepted.').optional(),
  })
  .describe('The running step of the canary; absent outside a rollout.');

export const signalStatusSchema = z
  .object({
    name: z.string().max(63).describe('Name of the signal.'),
    canary: text('Value of the canary with its unit.').optional(),
    stable: text('Value of the stable revision with its unit.').optional(),
    level: levelSchema,
    since: time('When the level became what it is, by the metric server.').optional(),
    holdUntil: time('When a running breach will have lasted for its hold.').optional(),
    verdict: text('Reason behind the level, for example Held or TooFewRequests.').optional(),
    message: text('One sentence that explains the verdict.').optional(),
    boundary: text('Histogram boundary that stands for the rollback limit.').optional(),
    samples: count('Requests counted within the hold; points for a custom signal.').optional(),
    observedAt: time('Time of the evidence, by the metric server.').optional(),
  })
  .describe('The last change of a signal; live values are in /metrics.');

export const conditionSchema = z
  .object({
    type: z.string().max(316).describe('Type of the condition.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('True, False or Unknown.'),
    reason: z.string().max(MAX_STATUS_TEXT).describe('One word from the list of reasons.'),
    message: z.string().max(MAX_STATUS_TEXT).describe('A sentence for people.'),
    lastTransitionTime: time('When the status of the condition last changed.'),
    observedGeneration: z
      .int()
      .describe('Generation of the object this was said about.')
      .optional(),
  })
  .describe('A standard Kubernetes condition.');

const evidenceSampleSchema = z
  .object({
    at: time('Time of the sample, by the metric server.'),
    value: z.string().max(64).describe('Value of the canary with its unit, or why there is none.'),
  })
  .describe('One sample behind the verdict.');

export const incidentSchema = z
  .object({
    id: z.string().max(128).describe('Name of the incident, unique within the object.'),
    alert: z.string().max(64).describe('Alert of the runbook, for example HIGH_ERROR_RATE.'),
    severity: z.enum(['Warning', 'Critical']).describe('Severity of the alert.'),
    revision: revisionName('Revision that is blamed.'),
    images: text('Images of the blamed revision, separated by commas.').optional(),
    signal: z.string().max(63).describe('Signal that gave the verdict, or pods.'),
    value: text('Value that was beyond the limit, or what the pods reported.').optional(),
    limit: text('Limit that was crossed.').optional(),
    heldFor: z.string().max(32).describe('How long it had held.').optional(),
    query: text('Query behind the evidence.').optional(),
    evidence: z
      .array(evidenceSampleSchema)
      .max(MAX_EVIDENCE_SAMPLES)
      .meta({
        description: 'Samples behind the verdict, oldest first.',
        'x-kubernetes-list-type': 'atomic',
      })
      .optional(),
    startedAt: time('When the breach began.').optional(),
    detectedAt: time('When the verdict was taken.'),
    trafficRestoredAt: time('When the traffic patch was acknowledged.').optional(),
    resolvedAt: time('When every route was read back with the canary at 0.').optional(),
    actions: z
      .array(z.string().max(256))
      .max(16)
      .meta({
        description: 'What the operator did, in order.',
        'x-kubernetes-list-type': 'atomic',
      })
      .optional(),
    summary: text('What happened, in one or two sentences.'),
  })
  .describe('What, when, which revision, which values, what was done.');

const rejectedSchema = z
  .object({
    revision: revisionName('Revision that gets no traffic until a retry.'),
    incident: z.string().max(128).describe('Incident that rejected it.').optional(),
    at: time('When it was rejected.'),
  })
  .describe('A revision that was rolled back.');

const lastActionSchema = z
  .object({
    id: z.string().max(64).describe('Id from the action annotation.'),
    action: z.enum(ACTION_VERBS).describe('Verb of the action.'),
    revision: revisionName('Revision the action meant.').optional(),
    result: z.enum(['Accepted', 'Done', 'Refused']).describe('What became of it.'),
    message: text('Why it was refused.').optional(),
    at: time('When it was acknowledged.'),
  })
  .describe('An action that was acknowledged; its id is never run again.');

export const statusSchema = z
  .object({
    observedGeneration: z
      .int()
      .optional()
      .describe('Generation of the object that this status is about; -1 before the first look.'),
    phase: phaseSchema.optional(),
    stable: roleSchema('stable').optional(),
    canary: roleSchema('canary').optional(),
    attempt: count('Number of the attempt at the canary; a retry starts a new one.').optional(),
    step: stepStatusSchema.optional(),
    ready: z.string().max(32).optional().describe('Available and wanted pods, for example 4/4.'),
    replicas: count('Pods that the scale subresource counts.').optional(),
    selector: text('Label selector of those pods, for the scale subresource.').optional(),
    worstSignal: text('The signal nearest to trouble, with its value.').optional(),
    signals: z
      .array(signalStatusSchema)
      .max(MAX_SIGNALS + BUILT_IN_NAMES.length)
      .optional()
      .meta({
        description: 'The last change of each signal of the canary.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
    conditions: z
      .array(conditionSchema)
      .max(16)
      .optional()
      .meta({
        description:
          'Ready, Reconciling and Stalled as kstatus reads them; Available, EvidenceAvailable, ' +
          'TrafficRouted and RolledBack.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['type'],
      }),
    incidents: z
      .array(incidentSchema)
      .max(MAX_INCIDENTS)
      .optional()
      .meta({
        description: `The newest ${MAX_INCIDENTS} incidents, newest first.`,
        'x-kubernetes-list-type': 'atomic',
      }),
    rejected: z
      .array(rejectedSchema)
      .max(MAX_REJECTED)
      .optional()
      .meta({
        description: `The newest ${MAX_REJECTED} rejected revisions, newest first.`,
        'x-kubernetes-list-type': 'atomic',
      }),
    lastActions: z
      .array(lastActionSchema)
      .max(MAX_LAST_ACTIONS)
      .optional()
      .meta({
        description: `The last ${MAX_LAST_ACTIONS} acknowledged actions, newest first.`,
        'x-kubernetes-list-type': 'atomic',
      }),
  })
  .describe('What the operator saw and did last.');
