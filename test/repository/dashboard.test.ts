// The Grafana dashboard as it is generated: its panels stand beside each other, and each shows one
// operator. Whether its queries parse is tried in test/cluster/monitoring.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import * as z from 'zod';

const columns = 24;
const panelSchema = z.object({
  id: z.int(),
  type: z.string(),
  title: z.string(),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  targets: z.array(z.object({ expr: z.string(), refId: z.string() })).default([]),
});
type Panel = z.infer<typeof panelSchema>;

const path = join(import.meta.dirname, '../../helm/x0tta/files/dashboard.json');
const { panels } = z
  .object({ panels: z.array(panelSchema) })
  .parse(JSON.parse(readFileSync(path, 'utf8')));

/** The cells of the page that a panel covers. */
function cellsOf({ gridPos: { x, y, w, h } }: Panel): readonly string[] {
  return Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`);
}

describe('the dashboard', () => {
  it('has panels of different numbers, none over another and none past the edge', () => {
    const cells = panels.flatMap(cellsOf);
    expect(new Set(cells).size).to.equal(cells.length);
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).to.equal(columns);
    expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
  });

  it('leaves no gap at the end of a line of panels', () => {
    const lines = Map.groupBy(panels, ({ gridPos }) => gridPos.y);
    for (const line of lines.values()) {
      const titles = line.map(({ title }) => title).join(', ');
      expect(
        line.reduce((sum, { gridPos }) => sum + gridPos.w, 0),
        titles,
      ).to.equal(columns);
    }
  });

  it('asks in every panel, for the chosen operator alone', () => {
    for (const { type, title, targets } of panels.filter((panel) => panel.type !== 'row')) {
      expect(targets, `${type} ${title}`).to.not.be.empty;
      for (const { expr } of targets) {
        const selectors = expr.match(/\{[^}]*\}/g) ?? [];
        expect(selectors, expr).to.not.be.empty;
        for (const selector of selectors) expect(selector).to.match(/^\{job="\$job"[,}]/);
      }
    }
  });
});
