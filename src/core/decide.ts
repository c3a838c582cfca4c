// The decision: the table of checks, asked in order. The first that has something to say decides
// the pass; everything that takes traffic away stands before everything that gives some.
import { answerAction } from './actions.ts';
import * as advance from './advance.ts';
import * as blockers from './blockers.ts';
import * as bringBack from './bringBack.ts';
import type { Check, Decision, Finding } from './decision.ts';
import { stepWasEdited } from './editedSteps.ts';
import type { EvidencePod, EvidenceTarget } from './evidence.ts';
import { handBack } from './handBack.ts';
import { keepHouse } from './housekeeping.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { Observation, RevisionView } from './model.ts';
import * as orders from './orders.ts';
import { podsAreNotTheSteps } from './podShares.ts';
import * as settle from './settle.ts';
import type { Situation } from './situation.ts';
import { awaitsApproval, readSituation } from './situation.ts';
import * as stepEnd from './stepEnd.ts';
import * as takeAway from './takeAway.ts';
import { recordedIncidents } from './verdicts.ts';

/** Name and check, in the order they are asked. */
export const CHECKS: Readonly<Record<string, Check>> = {
  // Traffic is taken away.
  objectIsDeleted: takeAway.objectIsDeleted,
  rollbackWasOrdered: takeAway.rollbackWasOrdered,
  stableRollbackWasOrdered: bringBack.stableRollbackWasOrdered,
  retryWasAccepted: orders.retryWasAccepted,
  stableIsRejected: bringBack.stableIsRejected,
  revisionIsRejected: takeAway.revisionIsRejected,
  podsHaveFailed: takeAway.podsHaveFailed,
  rollbackLimitHeld: takeAway.rollbackLimitHeld,
  absenceHeldAgainstPolicy: takeAway.absenceHeldAgainstPolicy,
  canaryIsSuperseded: takeAway.canaryIsSuperseded,
  canaryHasNoPods: takeAway.canaryHasNoPods,
  routeLostItsMark: takeAway.routeLostItsMark,
  weightIsTooHigh: takeAway.weightIsTooHigh,

  // An advance is stopped.
  pauseWasOrdered: orders.pauseWasOrdered,
  finalizerIsMissing: blockers.finalizerIsMissing,
  specIsInvalid: blockers.specIsInvalid,
  revisionNameIsTaken: blockers.revisionNameIsTaken,
  replicaSetIsRefused: blockers.replicaSetIsRefused,
  serviceIsClaimed: blockers.serviceIsClaimed,
  userServiceIsMissing: blockers.userServiceIsMissing,

  // Stable is there and serves.
  stableIsOutOfSight: settle.stableIsOutOfSight,
  firstRevisionIsMissing: settle.firstRevisionIsMissing,
  serviceIsMissing: settle.serviceIsMissing,
  routeIsMissing: blockers.routeIsMissing,
  routeIsClaimed: blockers.routeIsClaimed,
  backendsAreMissing: blockers.backendsAreMissing,
  actionWasAccepted: orders.actionWasAccepted,
  stableIsDesired: settle.stableIsDesired,

  // The canary gets weight, step by step.
  stepWasEdited,
  rolloutIsPaused: orders.rolloutIsPaused,
  nothingIsWanted: advance.nothingIsWanted,
  attemptBegins: advance.attemptBegins,
  attemptHasNoStart: advance.attemptHasNoStart,
  canaryIsScaled: advance.canaryIsScaled,
  podsAreNotTheSteps,
  podsAreMissing: advance.podsAreMissing,
  canaryServiceIsElsewhere: advance.canaryServiceIsElsewhere,
  endpointsAreMissing: advance.endpointsAreMissing,
  weightIsNotTheSteps: advance.weightIsNotTheSteps,
  routerHasNotAccepted: advance.routerHasNotAccepted,
  stepHasNoStart: advance.stepHasNoStart,
  stepIsPaused: orders.stepIsPaused,
  levelIsCritical: stepEnd.levelIsCritical,
  holdIsNotOver: stepEnd.holdIsNotOver,
  approvalIsMissing: stepEnd.approvalIsMissing,
  healthIsNotProven: stepEnd.healthIsNotProven,
  stepPasses: stepEnd.stepPasses,
};

/** Decides one pass. Pure: the same observation always gives the same decision. */
export function decide(obs: Observation): Decision {
  const s = readSituation(obs, obs.standing);
  const { check, finding } = firstFinding(s);
  const answered = finding.answered ?? answerAction(s);
  // A pass that has nothing to write but the status keeps house, too.
  const writes = finding.commands.some(({ kind }) => kind !== 'readBack');
  const house = writes || obs.finalizing ? nothing : keepHouse(s);
  const commands = [...finding.commands, ...house.commands];
  // What tidies up comes last.
  const last = commands.length > 0 || obs.finalizing ? nothing : handBack(s);
  const down = s.signals.flatMap(({ signal, breach }) =>
    signal.kind === 'availability' && breach.state === 'suspect' ? [breach.holdUntilMs] : [],
  );
  const looks = [finding, house, last].flatMap(({ lookAgainAtMs }) => lookAgainAtMs ?? []);
  const times = [...down, ...looks];
  return {
    ...finding,
    situation: s,
    check,
    recorded: recordedIncidents(s),
    commands: [...commands, ...last.commands],
    watch: watchOf(s),
    ...(answered === null ? {} : { answered }),
    ...(times.length === 0 ? {} : { lookAgainAtMs: Math.min(...times) }),
  };
}

const nothing: Housekeeping = { commands: [], lookAgainAtMs: null };

function firstFinding(s: Situation): { readonly check: string; readonly finding: Finding } {
  for (const [name, check] of Object.entries(CHECKS)) {
    const finding = check(s);
    if (finding !== null) return { check: name, finding };
  }
  throw new Error(`no check answers for revision ${s.obs.desired.revision}; stepPasses must`);
}

function evidencePods({ pods }: RevisionView): EvidencePod[] {
  return pods.map(({ name, readySinceMs }) => ({ name, readySinceMs }));
}

/** What the poller looks at: a canary whose attempt has a start. */
function watchOf(s: Situation): EvidenceTarget | null {
  const { canary, step } = s;
  if (!s.canaryActive || canary === null || step === null || s.obs.finalizing) return null;
  if (canary.record.attemptStartMs === null) return null;
  const { namespace, name } = s.obs.object.metadata;
  return {
    key: `${namespace}/${name}`,
    namespace,
    server: s.obs.object.spec.prometheus?.server ?? null,
    canaryReplicaSet: canary.name,
    stableReplicaSet: s.stable?.name ?? null,
    service: s.obs.object.spec.traffic.service,
    canaryPods: evidencePods(canary),
    stablePods: s.stable === null ? [] : evidencePods(s.stable),
    attemptStartMs: canary.record.attemptStartMs,
    stepStartMs: canary.record.stepStartMs,
    stepHoldSeconds: step.holdSeconds,
    awaitsApproval: awaitsApproval(canary, step),
  };
}
