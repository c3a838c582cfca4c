// The import rule: planted violations are found, what is allowed passes, and so does the real tree.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { violationsBelow, violationsIn } from '../../scripts/checkImports.ts';

const root = join(import.meta.dirname, '../..');

// File, its text, what the reason must say.
const refused = [
  ['src/core/decide.ts', "import { readFileSync } from 'node:fs';", 'no package'],
  ['src/core/decide.ts', "import fs from 'fs';", 'no package'],
  ['src/core/decide.ts', "import type { AxiosInstance } from 'axios';", 'no package'],
  ['src/core/decide.ts', "import {\n  Agent,\n  type Dispatcher,\n} from 'undici';", 'no package'],
  ['src/core/decide.ts', "import 'winston';", 'no package'],
  ['src/core/decide.ts', "export * from '@kubernetes/client-node';", 'no package'],
  ['src/core/decide.ts', "const fs = await import('node:fs');", 'no package'],
  ['src/core/decide.ts', "type Stats = import('node:fs').Stats;", 'no package'],
  ['src/core/decide.ts', 'const fs = await import(name);', 'not a literal'],
  ['src/core/decide.ts', "import * as z from 'zod';", 'no package'],
  ['src/core/decide.ts', "import { systemClock } from '../runtime/clock.ts';", 'core/ imports'],
  ['src/core/checks/held.ts', "import { Store } from '../../kube/store.ts';", 'core/ imports'],
  ['src/core/decide.ts', "import type { MetricPort } from '../sources/port.ts';", 'core/ imports'],
  ['src/api/spec.ts', "import { Registry } from 'prom-client';", 'zod only'],
  ['src/api/spec.ts', "import { hold } from '../core/holds.ts';", 'api/ imports'],
  ['src/runtime/worker.ts', "import { Store } from '../kube/store.ts';", 'runtime/ imports'],
  ['src/reconcile/act.ts', "import { Store } from '../kube/store.ts';", 'reconcile/ imports'],
  [
    'src/reconcile/act.ts',
    "import { httpRoute } from '../traffic/httpRoute.ts';",
    'reconcile/ imports',
  ],
  ['src/sources/port.ts', "import axios from 'axios';", 'the port'],
  ['src/sources/port.ts', "import { queries } from './queries.ts';", 'the port'],
  ['src/kube/store.ts', "import { KubeConfig } from '@kubernetes/client-node';", 'belongs to'],
  ['src/sources/prometheus.ts', "import { Agent } from 'undici';", 'belongs to'],
  ['src/kube/transport.ts', "import axios from 'axios';", 'belongs to'],
  ['src/kube/transport.ts', "import { log } from '../cli/operator.ts';", 'cli/'],
  ['src/kube/transport.ts', "import { it } from '../../test/cluster/it.ts';", 'outside itself'],
] as const;

const allowed = [
  ['src/api/spec.ts', "import * as z from 'zod';\nimport { limits } from './limits.ts';"],
  ['src/core/decide.ts', "import type { Spec } from '../api/schema.ts';"],
  ['src/core/checks/held.ts', "import { holds } from '../holds.ts';"],
  ['src/reconcile/act.ts', "import type { TrafficProvider } from '../traffic/port.ts';"],
  ['src/reconcile/act.ts', "import { decide } from '../core/decide.ts';"],
  ['src/sources/port.ts', "import type { Level } from '../core/signals.ts';"],
  ['src/kube/config.ts', "import { KubeConfig } from '@kubernetes/client-node';"],
  ['src/cli/operator.ts', "import { Store } from '../kube/store.ts';"],
  ['src/core/decide.ts', '// What an import of time from the outside would mean: see import.\n'],
] as const;

describe('the import rule', () => {
  for (const [file, text, reason] of refused) {
    it(`refuses in ${file}: ${text.replaceAll(/\s+/g, ' ')}`, () => {
      const violations = violationsIn(file, `// A comment.\n${text}\n`);
      expect(violations).to.have.lengthOf(1);
      expect(violations[0]?.reason).to.include(reason);
    });
  }

  for (const [file, text] of allowed) {
    it(`permits in ${file}: ${text.replaceAll(/\s+/g, ' ')}`, () => {
      expect(violationsIn(file, text)).to.deep.equal([]);
    });
  }

  it('finds a violation in a tree, and none in the real one', () => {
    expect(violationsBelow(root)).to.deep.equal([]);
    withTree({ 'src/core/checks/clock.ts': "import { hrtime } from 'node:process';\n" }, (tree) => {
      expect(violationsBelow(tree).map(({ file }) => file)).to.deep.equal([
        'src/core/checks/clock.ts',
      ]);
    });
  });
});

// Each breaks one rule of .oxlintrc.json.
const planted = {
  'src/core/now.ts': ['export const now = (): number => Date.now();', 'no-restricted-globals'],
  'src/api/dice.ts': [
    'export const dice = (): number => Math.random();',
    'no-restricted-properties',
  ],
  'src/core/later.ts': [
    'export async function later(): Promise<number> {\n  return await Promise.resolve(1);\n}',
    'no-async-await',
  ],
  'src/core/loud.ts': ['export const loud = (): void => console.log(1);', 'no-restricted-globals'],
  'src/core/environment.ts': [
    "export const home = (): unknown => process.env['HOME'];",
    'no-restricted-globals',
  ],
  'src/kube/floating.ts': [
    'const ask = (): Promise<number> => Promise.resolve(1);\nask();\nexport {};',
    'no-floating-promises',
  ],
  'src/kube/open.ts': [
    "export function check(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n  }\n}",
    'switch-exhaustiveness-check',
  ],
  'src/kube/loose.ts': ['export const loose = (value: any): unknown => value;', 'no-explicit-any'],
  'src/kube/standard.ts': ['export default 3;', 'no-default-export'],
  'src/kube/endless.ts': [`export const lines = 1;\n${'// line\n'.repeat(400)}`, 'max-lines'],
  'src/kube/long.ts': [
    `export function long(): void {\n${'  // line\n'.repeat(70)}}`,
    'max-lines-per-function',
  ],
} as const;

describe('the lint rules', () => {
  it('refuse each planted violation by its own rule', () => {
    const files: Record<string, string> = {};
    for (const [file, [text]] of Object.entries(planted)) files[file] = `${text}\n`;
    withTree(files, (tree) => {
      const found = violatedRules(tree);
      for (const [file, [, rule]] of Object.entries(planted)) {
        expect(found.get(file), file).to.include(rule);
      }
    });
  }).timeout(30_000);
});

/** The text of all findings by file, as the project's own lint command would report them. */
function violatedRules(tree: string): ReadonlyMap<string, string> {
  cpSync(join(root, '.oxlintrc.json'), join(tree, '.oxlintrc.json'));
  cpSync(join(root, 'tsconfig.json'), join(tree, 'tsconfig.json'));
  cpSync(join(root, 'package.json'), join(tree, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  const oxlint = spawnSync('oxlint', ['--type-aware', '--format=unix', 'src'], {
    cwd: tree,
    encoding: 'utf8',
  });
  expect(oxlint.status, oxlint.stderr).to.equal(1);
  const found = new Map<string, string>();
  for (const line of oxlint.stdout.split('\n')) {
    const file = line.split(':', 1)[0] ?? '';
    found.set(file, `${found.get(file) ?? ''}${line}\n`);
  }
  return found;
}

function withTree(files: Readonly<Record<string, string>>, use: (tree: string) => void): void {
  const tree = mkdtempSync(join(tmpdir(), 'x0tta-imports-'));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, file)), { recursive: true });
      writeFileSync(join(tree, file), text);
    }
    use(tree);
  } finally {
    rmSync(tree, { recursive: true });
  }
}
