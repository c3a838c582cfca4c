// The panels about the operator itself: the evidence it gets, the passes it makes, what it asks of
// the API server, and its processes.
import { graph, timeline } from './panels.ts';
import type { GraphOptions, Panel, Query } from './panels.ts';
import { ofOperator } from './rollouts.ts';

type Look = Omit<GraphOptions, 'queries' | 'width'>;

/** Quantiles of a histogram, over all pods. */
function quantiles(histogram: string, window: string): readonly Query[] {
  const buckets = `sum by (le) (rate(${histogram}_bucket{${ofOperator}}[${window}]))`;
  return [0.5, 0.95, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, ${buckets})`,
    legend: `p${quantile * 100}`,
  }));
}

/** A panel of a third of the page with one line for each value of some labels. */
function third(look: Look, expr: string, legend: string): Panel {
  return graph({ ...look, queries: [{ expr, legend }], width: 8 });
}

/** How fresh the evidence is, and how fast it leads to a move of traffic. */
export function evidencePanels(): readonly Panel[] {
  return [
    third(
      {
        title: 'Age of the last good answer',
        description:
          'By metric server. No canary advances and none is rolled back by its metrics ' +
          'while its server is silent.',
        unit: 's',
      },
      'max by (server) ' +
        `(time() - x0tta_metric_server_last_answer_timestamp_seconds{${ofOperator}})`,
      '{{server}}',
    ),
    third(
      {
        title: 'Queries by result',
        description: 'Per second. Other results than ok are reasons for which evidence is missing.',
        unit: 'reqps',
      },
      'sum by (server, result) ' +
        `(rate(x0tta_metric_queries_total{${ofOperator}}[$__rate_interval]))`,
      '{{server}} {{result}}',
    ),
    graph({
      title: 'From a complete hold to the patch of the route',
      description:
        'Over an hour, since there are few. From the answer that completed the hold of ' +
        'a limit to the acknowledged patch that gives the traffic back.',
      queries: quantiles('x0tta_hold_to_patch_seconds', '1h'),
      unit: 's',
      width: 8,
    }),
  ];
}

/** Passes over objects, and the requests that they lead to. */
export function workPanels(): readonly Panel[] {
  const requests = `x0tta_api_request_duration_seconds_count{${ofOperator}`;
  const requestsBy = (labels: string, more = ''): string =>
    `sum${labels} (rate(${requests}${more}}[$__rate_interval]))`;
  return [
    graph({
      title: 'Duration of passes',
      description: 'One pass looks at one object, decides and acts.',
      queries: quantiles('x0tta_reconcile_duration_seconds', '$__rate_interval'),
      unit: 's',
      width: 8,
    }),
    third(
      {
        title: 'Passes by the check that decided them',
        description: 'Per second. The checks stand in the table of src/core/decide.ts.',
        unit: 'ops',
      },
      `sum by (check) (rate(x0tta_decisions_total{${ofOperator}}[$__rate_interval])) > 0`,
      '{{check}}',
    ),
    third(
      {
        title: 'Queue',
        description: 'Keys by state; urgentReady and normalReady wait for a worker.',
        unit: 'none',
      },
      `sum by (state) (x0tta_queue_keys{${ofOperator}})`,
      '{{state}}',
    ),
    third(
      {
        title: 'Requests to the API server',
        description: 'Per second, by method and status; none stands for no answer.',
        unit: 'reqps',
      },
      requestsBy(' by (method, status)'),
      '{{method}} {{status}}',
    ),
    third(
      {
        title: 'Share of failed requests to the API server',
        description: 'Too many requests (429), errors of the server (5xx), and no answer.',
        unit: 'percentunit',
      },
      `${requestsBy('', ',status=~"429|5..|none"')} / ${requestsBy('')}`,
      'failed',
    ),
    third(
      {
        title: 'Duration of requests to the API server, p95',
        description: 'By method; watches are left out.',
        unit: 's',
      },
      'histogram_quantile(0.95, sum by (method, le) ' +
        `(rate(x0tta_api_request_duration_seconds_bucket{${ofOperator}}[$__rate_interval])))`,
      '{{method}}',
    ),
  ];
}

const noAndYes = {
  '0': { text: 'no', color: 'orange' },
  '1': { text: 'yes', color: 'green' },
} as const;

/** Each pod by itself. */
export function processPanels(): readonly Panel[] {
  return [
    timeline({
      title: 'Who leads',
      description: 'One pod leads; the others keep their caches warm.',
      queries: [{ expr: `x0tta_leader{${ofOperator}}`, legend: '{{pod}}' }],
      width: 8,
      states: { '0': { text: 'waits', color: 'text' }, '1': { text: 'leads', color: 'green' } },
    }),
    timeline({
      title: 'Caches that are in sync',
      description: 'By resource. What is not in sync is decided on from what was known before.',
      queries: [{ expr: `x0tta_watch_synced{${ofOperator}}`, legend: '{{pod}} {{resource}}' }],
      width: 8,
      states: noAndYes,
    }),
    timeline({
      title: 'Configuration',
      description: 'The hash of the configuration that each pod runs with.',
      queries: [{ expr: `x0tta_configuration_info{${ofOperator}}`, legend: '{{pod}} {{hash}}' }],
      width: 8,
      states: { '1': { text: 'in use', color: 'blue' } },
    }),
    graph({
      title: 'Writes that failed',
      description: 'Per second: status writes by reason, and Events that were dropped.',
      queries: [
        {
          expr:
            'sum by (reason) ' +
            `(rate(x0tta_status_write_failures_total{${ofOperator}}[$__rate_interval]))`,
          legend: 'status {{reason}}',
        },
        {
          expr: `sum (rate(x0tta_events_dropped_total{${ofOperator}}[$__rate_interval]))`,
          legend: 'events',
        },
      ],
      unit: 'ops',
      width: 8,
    }),
    third(
      {
        title: 'Fields that the served CRD lacks',
        description: 'Above 0 the CRD is older than the operator.',
        unit: 'none',
      },
      `max by (pod) (x0tta_crd_missing_fields{${ofOperator}})`,
      '{{pod}}',
    ),
    third(
      {
        title: 'Delay of the event loop, p99',
        description: 'A pause that comes near the time of the lease costs the lead.',
        unit: 's',
      },
      `nodejs_eventloop_lag_p99_seconds{${ofOperator}}`,
      '{{pod}}',
    ),
    graph({
      title: 'Memory',
      description: 'Resident, and the part of it that the heap of JavaScript uses.',
      queries: [
        { expr: `process_resident_memory_bytes{${ofOperator}}`, legend: '{{pod}} resident' },
        { expr: `nodejs_heap_size_used_bytes{${ofOperator}}`, legend: '{{pod}} heap' },
      ],
      unit: 'bytes',
      width: 12,
    }),
    graph({
      title: 'CPU',
      description: 'Cores.',
      queries: [
        {
          expr: `rate(process_cpu_seconds_total{${ofOperator}}[$__rate_interval])`,
          legend: '{{pod}}',
        },
      ],
      unit: 'none',
      width: 12,
    }),
  ];
}
