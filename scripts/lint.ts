// Runs every check of the sources that needs no test: rules, import directions, format, types. All
// of them run, so that one run shows everything; it fails when any does.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const checks = [
  [
    'rules',
    'oxlint',
    '--type-aware',
    '--deny-warnings',
    '--report-unused-disable-directives',
    'src',
    'test',
    'scripts',
    'bench',
  ],
  ['imports', process.execPath, 'scripts/checkImports.ts'],
  ['columns', process.execPath, 'scripts/checkColumns.ts'],
  ['format', 'prettier', '--check', '--log-level', 'warn', '.'],
  ['types', 'tsc', '--noEmit'],
] as const;

const failed = checks.filter(([name, program, ...args]) => {
  const began = performance.now();
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error !== undefined) console.error(`lint: ${program} did not run: ${error.message}`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`lint: ${name} ${status === 0 ? 'ok' : 'FAILED'}, ${seconds} s`);
  return status !== 0;
});

process.exitCode = failed.length === 0 ? 0 : 1;
