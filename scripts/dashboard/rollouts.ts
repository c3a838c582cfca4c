// The panels about the objects: where they are, what their canaries get and how they are judged.
// Only the leader tells of objects, so that a sum over all pods counts each once.
import { fact, graph, timeline } from './panels.ts';
import type { Panel } from './panels.ts';

/** What an operator counts over all of its objects. */
export const ofOperator = 'job="$job"';
/** What is told of the chosen objects one by one. */
const ofObjects = 'job="$job",namespace=~"$namespace",name=~"$object"';
const underWay = 'phase=~"Progressing|AwaitingApproval|Baking|Paused|RollingBack"';

const levels = {
  '-1': { text: 'Unknown', color: 'text' },
  '0': { text: 'Normal', color: 'green' },
  '1': { text: 'Warning', color: 'yellow' },
  '2': { text: 'Critical', color: 'orange' },
  '3': { text: 'Breach', color: 'red' },
} as const;

/** The numbers that a glance should catch; the first row of the page. */
export function glancePanels(): readonly Panel[] {
  return [
    fact({
      title: 'Objects',
      description: 'X0ttaDeployments that the operator knows.',
      queries: [{ expr: `sum(x0tta_objects{${ofOperator}})`, legend: 'objects' }],
      unit: 'none',
      width: 4,
      text: 'value',
    }),
    fact({
      title: 'Canaries on their way',
      description: 'Objects between the start of a canary and its promotion or rollback.',
      queries: [{ expr: `sum(x0tta_objects{${ofOperator},${underWay}})`, legend: 'canaries' }],
      unit: 'none',
      width: 4,
      text: 'value',
    }),
    fact({
      title: 'Stalled objects',
      description: 'Objects that wait for a person, without those whose canary was rolled back.',
      queries: [
        {
          expr: `sum(x0tta_objects_stalled{${ofOperator},reason!="RolledBack"})`,
          legend: 'stalled',
        },
      ],
      unit: 'none',
      width: 4,
      text: 'value',
      redFrom: 1,
    }),
    fact({
      title: 'Oldest answer of a metric server',
      description: 'Time since the server that was silent for longest gave a good answer.',
      queries: [
        {
          expr: `max(time() - x0tta_metric_server_last_answer_timestamp_seconds{${ofOperator}})`,
          legend: 'age',
        },
      ],
      unit: 's',
      width: 4,
      text: 'value',
      redFrom: 180,
    }),
    fact({
      title: 'Leader',
      description: 'The pod that acts. None or several: see the alerts of these names.',
      queries: [{ expr: `x0tta_leader{${ofOperator}} == 1`, legend: '{{pod}}' }],
      unit: 'none',
      width: 4,
      text: 'name',
    }),
    fact({
      title: 'Version',
      description: 'The version of the operator; several while an upgrade runs.',
      queries: [
        { expr: `count by (version) (x0tta_build_info{${ofOperator}})`, legend: '{{version}}' },
      ],
      unit: 'none',
      width: 4,
      text: 'name',
    }),
  ];
}

/** All objects together, then the canaries one by one. */
export function rolloutPanels(): readonly Panel[] {
  return [
    graph({
      title: 'Objects by phase',
      description: 'Every object is in one phase.',
      queries: [{ expr: `sum by (phase) (x0tta_objects{${ofOperator}}) > 0`, legend: '{{phase}}' }],
      unit: 'none',
      width: 8,
      style: 'stacked',
    }),
    graph({
      title: 'Stalled objects by reason',
      description: 'The reasons are explained in the reference of the resource.',
      queries: [
        {
          expr: `sum by (reason) (x0tta_objects_stalled{${ofOperator}}) > 0`,
          legend: '{{reason}}',
        },
      ],
      unit: 'none',
      width: 8,
      style: 'stacked',
    }),
    graph({
      title: 'Incidents by alert',
      description: 'Rollbacks, and what canaries in mode Observe would have been rolled back for.',
      queries: [
        {
          expr:
            'sum by (alert) ' +
            `(increase(x0tta_incidents_total{${ofOperator}}[$__rate_interval])) > 0`,
          legend: '{{alert}}',
        },
      ],
      unit: 'none',
      width: 8,
      style: 'bars',
    }),
    graph({
      title: 'Weight of each canary',
      description: 'Share of the traffic that the new revision gets.',
      queries: [
        {
          expr: `max by (namespace, name) (x0tta_canary_weight_ratio{${ofObjects}})`,
          legend: '{{namespace}}/{{name}}',
        },
      ],
      unit: 'percentunit',
      width: 12,
      max: 1,
    }),
    timeline({
      title: 'Level of each signal',
      description: 'Breach for as long as the hold of its limit says means a rollback.',
      queries: [
        {
          expr: `max by (namespace, name, signal) (x0tta_signal_level{${ofObjects}})`,
          legend: '{{namespace}}/{{name}} {{signal}}',
        },
      ],
      width: 12,
      states: levels,
    }),
    ...valuePanels(),
  ];
}

// A metric has one unit for each signal, so those of one unit share a panel.
const valueGroups = [
  ['Shares', 'signal=~"errorRate|availability|cpu"', 'percentunit'],
  ['Latency', 'signal="latencyP95"', 's'],
  ['Memory', 'signal="memory"', 'bytes'],
  ['Other signals', 'signal!~"errorRate|availability|cpu|latencyP95|memory"', 'short'],
] as const;

function valuePanels(): readonly Panel[] {
  return valueGroups.map(([title, signals, unit]) =>
    graph({
      title,
      description: 'Newest value of each signal of a canary, as it is judged.',
      queries: [
        {
          expr: `max by (namespace, name, signal) (x0tta_signal_value{${ofObjects},${signals}})`,
          legend: '{{namespace}}/{{name}} {{signal}}',
        },
      ],
      unit,
      width: 6,
    }),
  );
}
