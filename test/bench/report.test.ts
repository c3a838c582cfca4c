// What the benches say of what they measured: the sections of their page, and a soak's verdict.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { rowsOf } from '../../bench/soakReport.ts';
import type { Course, MemorySample } from '../../bench/soakReport.ts';
import { sectionOf, SECTIONS, withSection } from '../../bench/table.ts';

const day = new Date('2026-11-28T00:00:00Z');
const row = { part: 'f', what: 'it', unit: 's', samples: [1, 2, 3] };

describe('the page of the benches', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/benchmarks.md'), 'utf8');

  it('gets a new section in its place, and keeps the others', () => {
    const first = withSection('# Benchmarks\n\nText.\n', 'c', sectionOf('c', [row], day));
    const both = withSection(first, 'a', sectionOf('a', [row], day));
    const titles = [...both.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(titles).to.deep.equal([SECTIONS.a, SECTIONS.c]);
    expect(both).to.include('| f | it | s | 3 | 2 | 3 | 3 |  |');
    expect(both.startsWith('# Benchmarks\n\nText.\n\n## ')).to.equal(true);
  });

  it('gets one that is there replaced, and stays the same by the same', () => {
    const text = sectionOf('a', [row], day);
    const changed = withSection(page, 'a', text);
    expect(changed.split('\n## ')).to.have.lengthOf(page.split('\n## ').length);
    expect(changed).to.include(text.trimEnd());
    expect(withSection(changed, 'a', text)).to.equal(changed);
  });
});

describe('the verdict on a soak', () => {
  const sample = (minute: number, heapUsed: number, pid = 1): MemorySample => ({
    minute,
    pid,
    heapUsed,
    resident: 100,
  });
  const sound: Course = {
    outcomes: [{ key: 'a/b', version: 'v2', isBad: true, wrong: null }],
    samples: [sample(12, 100), sample(27, 105)],
    missed: 0,
    notRestarted: 0,
    replicasEnded: 0,
    unsettled: 0,
  };
  const broken = (course: Partial<Course>): number =>
    rowsOf({ ...sound, ...course }).filter(({ limit }) => limit?.holds === false).length;

  it('is good for one without a fault', () => {
    expect(broken({})).to.equal(0);
  });

  const faults: readonly (readonly [string, Partial<Course>])[] = [
    ['a wrong verdict', { outcomes: [{ key: 'a/b', version: 'v2', isBad: true, wrong: 'no' }] }],
    ['an object that is stuck', { unsettled: 1 }],
    ['a rollout that did not begin', { missed: 1 }],
    ['a restart that did not come', { notRestarted: 1 }],
    ['a heap that grows', { samples: [sample(12, 100), sample(27, 106)] }],
    ['another leader', { samples: [sample(12, 100), sample(27, 100, 2)] }],
    ['no sample', { samples: [] }],
  ];
  for (const [what, course] of faults) {
    it(`is bad for ${what}`, () => {
      expect(broken(course)).to.be.above(0);
    });
  }
});
