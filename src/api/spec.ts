// The spec of an X0ttaDeployment: fields, defaults and bounds, with the CEL rules of rules.ts
// beside the field they guard. It holds schemas only; what is left out resolves in defaults.ts.

import * as z from 'zod';
import { MAX_SERVICE_LENGTH, MAX_SIGNALS } from './limits.ts';
import { BUILT_IN_NAMES } from './runbook.ts';
import { validations } from './rule.ts';
import type { Rule } from './rule.ts';
import * as rules from './rules.ts';
import { limitHasOneDirection, signalRules } from './signalRules.ts';

const LABEL_NAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$';
const SUBDOMAIN = '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$';
const LIMIT_FORMS = 'In the unit of the signal, quoted: 10%, 500ms, 2400M, 0.5.';
const SIGNAL_NAME = '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$';

const named = (pattern: string, maxLength: number) =>
  z.string().regex(new RegExp(pattern)).min(1).max(maxLength);
const duration = (description: string, ...guards: readonly Rule[]) =>
  z
    .string()
    .max(20)
    .meta({ description, ...validations(...guards) });
const limitValue = (description: string) =>
  z.string().min(1).max(20).describe(description).optional();

export const limitSchema = z
  .object({
    above: limitValue(`Beyond the limit means greater. ${LIMIT_FORMS}`),
    below: limitValue(`Beyond the limit means smaller. ${LIMIT_FORMS}`),
  })
  .meta(validations(limitHasOneDirection));

export const rollbackLimitSchema = z
  .object({
    ...limitSchema.shape,
    for: duration(
      'How long the value must stay beyond the limit; left out, the default of the runbook.',
      rules.positiveDuration,
    ).optional(),
  })
  .meta(validations(limitHasOneDirection));

export const signalSchema = z
  .object({
    name: named(SIGNAL_NAME, 63).describe(
      `${BUILT_IN_NAMES.join(', ')}, or the name of a custom signal.`,
    ),
    unit: z
      .enum(['ratio', 'seconds', 'bytes', 'count', 'perSecond'])
      .optional()
      .describe('Unit of a custom signal: how its limits are written and its values shown.'),
    query: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe(
        'PromQL of a custom signal. One row a revision, with the labels namespace and replicaset ' +
          '(or pod_template_hash).',
      ),
    warning: limitSchema.optional().meta({ description: 'Beyond it the level is Warning.' }),
    critical: limitSchema
      .optional()
      .meta({ description: 'Beyond it the level is Critical and the canary does not advance.' }),
    rollback: rollbackLimitSchema
      .optional()
      .meta({ description: 'Beyond it for the whole hold the canary is rolled back.' }),
    minRequests: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe(
        'Requests of the canary needed within the hold before a verdict, and within a step ' +
          'before an advance. Only for errorRate and latencyP95; left out, 50.',
      ),
    noData: z
      .enum(['Hold', 'Rollback', 'Ignore'])
      .optional()
      .describe(
        'What absent evidence means. Hold: wait. Rollback: blame the canary once it has lasted ' +
          'for the hold. Ignore: go on without this signal. Left out: Hold for errorRate, ' +
          'latencyP95 and availability, else Ignore.',
      ),
    absentNumerator: z
      .enum(['NoData', 'Zero'])
      .optional()
      .describe(
        'What it means that the query of a custom signal has no row of the canary. NoData: there ' +
          'is no evidence. Zero: nothing was counted, which is trusted only while the canary is ' +
          'scraped (its request counter is fresh). Left out: NoData.',
      ),
    window: duration(
      'Range of the rates behind a point; left out, it follows from hold and scrape interval.',
      rules.positiveDuration,
    ).optional(),
  })
  .meta({
    description: 'A signal and its limits; what is left out keeps the default of the runbook.',
    ...validations(...signalRules),
  });

const stepSchema = z
  .object({
    weight: z.int().min(1).max(100).describe('Percent of the traffic for the canary.'),
    hold: duration(
      'How long the step lasts, with every needed signal healthy.',
      rules.positiveDuration,
    ).optional(),
    approval: z
      .enum(['Required'])
      .optional()
      .describe(
        'Required: the step lasts until a person approves it (x0tta.io/action: approve/<id>), ' +
          'and for its hold if it has one.',
      ),
  })
  .meta({
    description: 'One step of the canary.',
    ...validations(rules.stepHasAnEnd),
  });

const canarySchema = z
  .object({
    steps: z
      .array(stepSchema)
      .min(1)
      .max(20)
      .meta({
        description:
          'Steps of the canary, in order. After the last one the weight goes to 100 and the ' +
          'bake begins.',
        'x-kubernetes-list-type': 'atomic',
        ...validations(rules.weightsDoNotFall),
      }),
    bake: duration(
      'How long the canary is judged at 100 percent before it is promoted, with the previous ' +
        'revision still warm; at least the longest hold of a rollback limit, which it is when ' +
        'left out.',
      rules.positiveDuration,
    ).optional(),
    mode: z
      .enum(['Enforce', 'Observe'])
      .default('Enforce')
      .describe(
        'Enforce: verdicts roll back. Observe: steps go on by their holds, and a verdict writes ' +
          'an incident and nothing else.',
      ),
    drainDelay: duration(
      'How long the old pods stay after the routers took their traffic away.',
      rules.duration,
    ).default('30s'),
  })
  .describe('How a new revision gets traffic.');

const routeSchema = z
  .object({
    kind: z.enum(['HTTPRoute', 'GRPCRoute']).describe('Kind of the route.'),
    name: named(SUBDOMAIN, 253).describe('Name of the route, in the namespace of the object.'),
  })
  .describe('A route whose rules name both services of the object.');

const trafficSchema = z
  .object({
    service: named(LABEL_NAME, MAX_SERVICE_LENGTH).meta({
      description:
        'The Service of the workload, read for its ports; it cannot be changed. The operator ' +
        'owns two more, named after it with -stable and -canary.',
      ...validations(rules.serviceIsImmutable),
    }),
    gatewayAPI: z
      .object({
        routes: z
          .array(routeSchema)
          .min(1)
          .max(8)
          .meta({
            description: 'Routes whose weights the operator patches.',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['kind', 'name'],
          }),
      })
      .optional()
      .describe('Traffic by the Gateway API; left out, the shares are pod counts.'),
  })
  .describe('How traffic is split between the revisions.');

const podBudget = (description: string) =>
  z.union([z.int(), z.string()]).meta({
    description,
    'x-kubernetes-int-or-string': true,
    ...validations(rules.podBudget),
  });

const strategySchema = z
  .object({
    maxSurge: podBudget(
      'Pods above spec.replicas while shares move, a number or a percentage (rounded up).',
    ).default('25%'),
    maxUnavailable: podBudget(
      'Pods below spec.replicas while shares move, a number or a percentage (rounded down).',
    ).default(0),
  })
  .meta({
    description: 'Bounds of each forward move where shares are pod counts.',
    ...validations(rules.strategyCanMove),
  });

const labels = (description: string, bounds: Readonly<Record<string, number>>) =>
  z.record(z.string(), z.string().max(63)).meta({ description, ...bounds });

export const templateSchema = z
  .looseObject({
    metadata: z
      .looseObject({
        labels: labels('Labels of the pods; they include those of the selector.', {
          maxProperties: 64,
        }),
        annotations: z
          .record(z.string(), z.string().max(262_144))
          .meta({ description: 'Annotations of the pods.', maxProperties: 256 })
          .optional(),
      })
      .describe('Metadata of the pods.'),
    spec: z
      .looseObject({})
      .describe('PodSpec, as in a Deployment; checked when its ReplicaSet is created.'),
  })
  .describe('Template of the pods, as in a Deployment. A change of it starts a canary.');

export const specSchema = z
  .object({
    replicas: z
      .int()
      .min(0)
      .max(10_000)
      .default(1)
      .describe('Pods that 100 % of the traffic needs.'),
    selector: z
      .object({
        matchLabels: labels('Labels that the pods must carry.', {
          minProperties: 1,
          maxProperties: 16,
        }),
      })
      .meta({
        description: 'Which pods belong to the object; it cannot be changed.',
        ...validations(rules.selectorIsImmutable, rules.selectorLeavesHashAlone),
      }),
    template: templateSchema,
    minReadySeconds: z
      .int()
      .min(0)
      .max(86_400)
      .default(0)
      .describe('Seconds a pod must be ready before it counts as available.'),
    revisionHistoryLimit: z.int().min(0).max(100).default(10).describe('Old ReplicaSets to keep.'),
    progressDeadlineSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .default(600)
      .describe('Seconds within which the canary must become available; later it is rolled back.'),
    prometheus: z
      .object({
        server: named(SUBDOMAIN, 63).describe("A server of the operator's configuration."),
      })
      .optional()
      .describe('Where the evidence comes from; left out, the default server.'),
    deletionPolicy: z
      .enum(['Delete', 'Orphan'])
      .default('Delete')
      .describe(
        'What becomes of the pods when the object is deleted, after the routes went to stable. ' +
          'Delete: they go too. Orphan: stable and both services stay and go on serving.',
      ),
    traffic: trafficSchema,
    canary: canarySchema,
    strategy: strategySchema.default({ maxSurge: '25%', maxUnavailable: 0 }),
    signals: z
      .array(signalSchema)
      .max(MAX_SIGNALS)
      .optional()
      .meta({
        description:
          'Signals by name. Those of the runbook are judged without being listed, throughput ' +
          'excepted.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
  })
  .meta({
    description: 'What the user wants.',
    ...validations(rules.selectorMatchesTemplate, rules.deadlineExceedsMinReady),
  });
