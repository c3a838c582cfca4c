// The Grafana dashboard as JSON: its variables and the order of its rows. The panels themselves
// stand in the files beside this one.
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { evidencePanels, processPanels, workPanels } from './operator.ts';
import { datasource } from './panels.ts';
import type { Panel } from './panels.ts';
import { glancePanels, rolloutPanels } from './rollouts.ts';

const rows: readonly (readonly [string, () => readonly Panel[]])[] = [
  ['At a glance', glancePanels],
  ['Rollouts', rolloutPanels],
  ['Evidence', evidencePanels],
  ['Passes and requests', workPanels],
  ['Processes', processPanels],
];

/** The text of the dashboard; the same at each call. */
export function dashboardJson(): string {
  const builder = new DashboardBuilder('x0tta')
    .uid('x0tta')
    .description('Canaries of X0ttaDeployments, and the operator that judges them.')
    .tags(['x0tta'])
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .variables(variables());
  // Links to a panel name it by its number.
  let id = 0;
  for (const [title, panels] of rows) {
    id += 1;
    builder.withRow(new RowBuilder(title).id(id));
    for (const panel of panels()) {
      id += 1;
      builder.withPanel(panel.id(id));
    }
  }
  return `${JSON.stringify(builder.build(), null, 2)}\n`;
}

function variables() {
  // Objects are offered that had a canary in the time that is looked at.
  const weights = 'x0tta_canary_weight_ratio{job="$job"';
  return [
    new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    valuesOf('job', 'Operator', 'label_values(x0tta_build_info, job)'),
    valuesOf('namespace', 'Namespace', `label_values(${weights}}, namespace)`)
      .multi(true)
      .includeAll(true)
      .allValue('.*'),
    valuesOf('object', 'Object', `label_values(${weights},namespace=~"$namespace"}, name)`)
      .multi(true)
      .includeAll(true)
      .allValue('.*'),
  ];
}

function valuesOf(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
}
