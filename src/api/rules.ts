// The CEL rules that the API server enforces, each with a manifest it accepts and one it rejects,
// which run against a real API server (test/cluster/cel). The fields they guard are in spec.ts.

import { DURATION_PATTERN, MAX_NAME_LENGTH } from './limits.ts';
import type { ManifestPatch, Rule } from './rule.ts';
import { limitHasOneDirection, signalRules } from './signalRules.ts';

const LONGEST_DURATION = '168h';
const spec = (fields: ManifestPatch): ManifestPatch => ({ spec: fields });
const step = (hold: string): ManifestPatch => spec({ canary: { steps: [{ weight: 10, hold }] } });

export const nameFits: Rule = {
  name: 'nameFits',
  rule: `self.metadata.name.size() <= ${MAX_NAME_LENGTH}`,
  message: `metadata.name must be at most ${MAX_NAME_LENGTH} characters; names of pods are longer`,
  accepted: { metadata: { name: 'n'.repeat(MAX_NAME_LENGTH) } },
  rejected: { metadata: { name: 'n'.repeat(MAX_NAME_LENGTH + 1) } },
  on: 'create',
};

export const selectorIsImmutable: Rule = {
  name: 'selectorIsImmutable',
  rule: 'self == oldSelf',
  message: 'selector cannot be changed',
  accepted: spec({ replicas: 3 }),
  rejected: spec({
    selector: { matchLabels: { tier: 'web' } },
    template: { metadata: { labels: { tier: 'web' } } },
  }),
  on: 'update',
};

/** The operator would lose sight of the weights that routes give to services of another name. */
export const serviceIsImmutable: Rule = {
  name: 'serviceIsImmutable',
  rule: 'self == oldSelf',
  message: 'traffic.service cannot be changed',
  accepted: spec({ replicas: 3 }),
  rejected: spec({ traffic: { service: 'other' } }),
  on: 'update',
};

export const selectorLeavesHashAlone: Rule = {
  name: 'selectorLeavesHashAlone',
  rule: "!('pod-template-hash' in self.matchLabels)",
  message: 'selector must not name pod-template-hash, which differs between revisions',
  accepted: spec({
    selector: { matchLabels: { tier: 'web' } },
    template: { metadata: { labels: { tier: 'web' } } },
  }),
  rejected: spec({
    selector: { matchLabels: { 'pod-template-hash': 'x' } },
    template: { metadata: { labels: { 'pod-template-hash': 'x' } } },
  }),
  on: 'create',
};

export const selectorMatchesTemplate: Rule = {
  name: 'selectorMatchesTemplate',
  rule:
    'self.selector.matchLabels.all(k, k in self.template.metadata.labels && ' +
    'self.template.metadata.labels[k] == self.selector.matchLabels[k])',
  message: 'template.metadata.labels must include every label of selector.matchLabels',
  accepted: spec({ template: { metadata: { labels: { extra: 'yes' } } } }),
  rejected: spec({ selector: { matchLabels: { tier: 'missing' } } }),
  on: 'create',
};

export const deadlineExceedsMinReady: Rule = {
  name: 'deadlineExceedsMinReady',
  rule: 'self.progressDeadlineSeconds > self.minReadySeconds',
  message: 'progressDeadlineSeconds must be greater than minReadySeconds',
  accepted: spec({ minReadySeconds: 10, progressDeadlineSeconds: 11 }),
  rejected: spec({ minReadySeconds: 10, progressDeadlineSeconds: 10 }),
  on: 'create',
};

export const weightsDoNotFall: Rule = {
  name: 'weightsDoNotFall',
  rule: 'self.map(s, s.weight).isSorted()',
  message: 'the weights of the steps must not fall',
  accepted: spec({
    canary: {
      steps: [
        { weight: 50, hold: '1m' },
        { weight: 50, hold: '1m' },
      ],
    },
  }),
  rejected: spec({
    canary: {
      steps: [
        { weight: 50, hold: '1m' },
        { weight: 25, hold: '1m' },
      ],
    },
  }),
  on: 'create',
};

export const duration: Rule = {
  name: 'duration',
  rule: `self.matches('${DURATION_PATTERN}') && duration(self) <= duration('${LONGEST_DURATION}')`,
  message: `must be a duration such as 30s, 500ms or 1h30m, at most ${LONGEST_DURATION}`,
  accepted: spec({ canary: { drainDelay: '0s' } }),
  rejected: spec({ canary: { drainDelay: '1d' } }),
  on: 'create',
};

export const positiveDuration: Rule = {
  name: 'positiveDuration',
  rule:
    `self.matches('${DURATION_PATTERN}') && duration(self) > duration('0s') && ` +
    `duration(self) <= duration('${LONGEST_DURATION}')`,
  message: `must be a duration above zero such as 500ms, 2m or 1h30m, at most ${LONGEST_DURATION}`,
  accepted: step('1h30m500ms'),
  rejected: step('0s'),
  on: 'create',
};

export const stepHasAnEnd: Rule = {
  name: 'stepHasAnEnd',
  rule: 'has(self.hold) || has(self.approval)',
  message: 'a step needs a hold, an approval, or both',
  accepted: spec({ canary: { steps: [{ weight: 10, approval: 'Required' }] } }),
  rejected: spec({ canary: { steps: [{ weight: 10 }] } }),
  on: 'create',
};

const POD_BUDGET = "type(self) == string ? self.matches('^(100|[0-9]{1,2})%$') : self >= 0";

export const podBudget: Rule = {
  name: 'podBudget',
  rule: POD_BUDGET,
  message: 'must be a number of pods, 0 or more, or a percentage such as 25%',
  accepted: spec({ strategy: { maxSurge: '100%' } }),
  rejected: spec({ strategy: { maxSurge: '25' } }),
  on: 'create',
};

export const strategyCanMove: Rule = {
  name: 'strategyCanMove',
  rule: "!(string(self.maxSurge) in ['0', '0%']) || !(string(self.maxUnavailable) in ['0', '0%'])",
  message: 'maxSurge and maxUnavailable must not both be 0: no pod could ever be replaced',
  accepted: spec({ strategy: { maxSurge: 0, maxUnavailable: 1 } }),
  rejected: spec({ strategy: { maxSurge: '0%', maxUnavailable: 0 } }),
  on: 'create',
};

/** Every rule of the CRD. */
export const allRules: readonly Rule[] = [
  nameFits,
  selectorIsImmutable,
  serviceIsImmutable,
  selectorLeavesHashAlone,
  selectorMatchesTemplate,
  deadlineExceedsMinReady,
  weightsDoNotFall,
  duration,
  positiveDuration,
  stepHasAnEnd,
  podBudget,
  strategyCanMove,
  limitHasOneDirection,
  ...signalRules,
];
