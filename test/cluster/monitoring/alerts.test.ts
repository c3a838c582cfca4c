// Alerts, their rule tests, their sections in docs/operations.md and the dashboard, against each
// other and by promtool. No operator runs; what its metrics say is for other tests.
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { parse } from 'yaml';
import * as z from 'zod';
import { phaseSchema } from '../../../src/api/status.ts';
import { anchorsOf, sectionOf, tableRows } from '../../repository/markdown.ts';
import { binaryPath } from '../binaries.ts';

const root = join(import.meta.dirname, '../../..');
const files = join(root, 'helm/x0tta/files');
const testFiles = globSync('*.yaml', { cwd: import.meta.dirname }).toSorted();

const rulesSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning', 'info']) }),
          annotations: z.strictObject({
            summary: z.string(),
            description: z.string(),
            runbook_url: z.string(),
          }),
        }),
      ),
    }),
  ),
});
const casesSchema = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(
        z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) }),
      ),
    }),
  ),
});
const dashboardSchema = z.object({
  panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })).default([]) })),
});

const read = (path: string): string => readFileSync(path, 'utf8');
const alerts = rulesSchema
  .parse(parse(read(join(files, 'alerts.yaml'))))
  .groups.flatMap(({ rules }) => rules);
const queries = dashboardSchema
  .parse(JSON.parse(read(join(files, 'dashboard.json'))))
  .panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
const page = { file: 'docs/operations.md', text: read(join(root, 'docs/operations.md')) };

function promtool(...args: readonly string[]): string {
  return execFileSync(binaryPath('promtool'), args, { encoding: 'utf8', stdio: 'pipe' });
}

/** Names of the metrics that the operator makes, and of those that prom-client makes for it. */
function metricNames(): ReadonlySet<string> {
  const sources = globSync('src/telemetry/*.ts', { cwd: root });
  const own = sources.flatMap((file) => [...read(join(root, file)).matchAll(/'(x0tta_[a-z_]+)'/g)]);
  const register = new Registry();
  collectDefaultMetrics({ register });
  return new Set([
    ...own.map(([, name = '']) => name),
    ...register.getMetricsAsArray().map(({ name }) => name),
  ]);
}

/** Names of the metrics in PromQL, histograms by their own name. */
function namesIn(expr: string): readonly string[] {
  const names = expr.match(/\b(?:x0tta|nodejs|process)_\w+/g) ?? [];
  return names.map((name) => name.replace(/_(?:bucket|count|sum)$/, ''));
}

/** Text below a heading of the third level. */
function alertSection(name: string): string {
  const after = (sectionOf(page, 'Alerts') ?? '').split(`\n### ${name}\n`)[1] ?? '';
  return after.split(/^### /m)[0] ?? '';
}

describe('the alerts', () => {
  it('are rules that Prometheus reads', () => {
    const output = promtool('check', 'rules', '--lint=all', join(files, 'alerts.yaml'));
    expect(output).to.include(`${alerts.length} rules found`);
  });

  for (const file of testFiles) {
    it(`fire and are quiet as ${basename(file)} says`, () => {
      const output = promtool('test', 'rules', join(import.meta.dirname, file));
      expect(output).to.include('SUCCESS');
    });
  }

  it('each have a case in which they fire and one in which they are quiet', () => {
    const cases = testFiles
      .flatMap((file) => casesSchema.parse(parse(read(join(import.meta.dirname, file)))).tests)
      .flatMap((test) => test.alert_rule_test);
    const namesOf = (fires: boolean): readonly string[] => [
      ...new Set(
        cases
          .filter(({ exp_alerts: expected }) => expected.length > 0 === fires)
          .map(({ alertname }) => alertname),
      ),
    ];
    const names = alerts.map(({ alert }) => alert).toSorted();
    expect(namesOf(true).toSorted()).to.deep.equal(names);
    expect(namesOf(false).toSorted()).to.deep.equal(names);
  });

  it('lead to a section each of docs/operations.md, which says what to do', () => {
    const anchors = anchorsOf(page);
    for (const { alert, annotations } of alerts) {
      const [file, anchor = ''] = annotations.runbook_url.split('#');
      expect(file, alert).to.equal(page.file);
      expect(anchor, alert).to.equal(alert.toLowerCase());
      expect(anchors.has(anchor), alert).to.equal(true);
      expect(alertSection(alert), alert)
        .to.match(/\*\*What it means\.\*\*[\s\S]+\*\*What to do\.\*\*/)
        .and.match(/^```sh$/m);
    }
  });

  it('are all that docs/operations.md has sections of', () => {
    const headings = (sectionOf(page, 'Alerts') ?? '').matchAll(/^### (.+)$/gm);
    expect([...headings].map(([, name]) => name)).to.deep.equal(alerts.map(({ alert }) => alert));
  });

  it('select one release by matchers that the chart can put its own in place of', () => {
    const own = '{job="x0tta-metrics",namespace="x0tta-system"';
    for (const { alert, expr } of alerts) {
      const selectors = expr.match(/\{[^}]*\}/g) ?? [];
      expect(
        selectors.filter((selector) => !selector.startsWith(own)),
        alert,
      ).to.deep.equal([]);
      expect(selectors, alert).to.not.be.empty;
    }
  });
});

describe('the dashboard', () => {
  it('has queries that Prometheus reads', () => {
    const folder = mkdtempSync(join(tmpdir(), 'x0tta-dashboard-'));
    const exprs = queries.map((expr) => expr.replaceAll('$__rate_interval', '5m'));
    const rules = exprs.map((expr, i) => ({ record: `query:${i}`, expr }));
    try {
      const path = join(folder, 'rules.yaml');
      // JSON is YAML.
      writeFileSync(path, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
      expect(promtool('check', 'rules', path)).to.include(`${queries.length} rules found`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('metrics in alerts, dashboard and documentation', () => {
  const exprs = [...alerts.map(({ expr }) => expr), ...queries];

  it('are metrics that the operator has', () => {
    const known = metricNames();
    const unknown = exprs.flatMap(namesIn).filter((name) => !known.has(name));
    expect([...new Set(unknown)]).to.deep.equal([]);
  });

  it('are in phases that there are', () => {
    const named = exprs.flatMap((expr) => [...expr.matchAll(/phase=~"([^"]+)"/g)]);
    const phases = named.flatMap(([, list = '']) => list.split('|'));
    expect(phases).to.include('Progressing');
    expect(phaseSchema.options).to.include.members(phases);
  });

  it('are listed in docs/operations.md, each', () => {
    const section = (sectionOf(page, 'What to watch') ?? '').split('### Metrics')[1] ?? '';
    const listed = tableRows(section).map(([name = '']) => name.replaceAll('`', ''));
    const own = [...metricNames()].filter((name) => name.startsWith('x0tta_'));
    expect(listed.filter((name) => name.startsWith('x0tta_')).toSorted()).to.deep.equal(
      own.toSorted(),
    );
  });
});
