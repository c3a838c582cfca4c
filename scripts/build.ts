// Bundles the operator into one file with a source map, which is what ships and what the cluster
// tests run. It checks no types: tsc does, in lint.
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
};

// The generated API classes of client-node, a thousand modules, only declare things, but its
// package does not say so; without this all of them would be loaded at every start (20 MiB).
const dropUnusedClientModules: Plugin = {
  name: 'dropUnusedClientModules',
  setup(bundler) {
    bundler.onResolve({ filter: /^\.{1,2}\/.*\.js$/ }, ({ importer, path, resolveDir }) =>
      importer.includes('/@kubernetes/client-node/dist/')
        ? { path: join(resolveDir, path), sideEffects: false }
        : undefined,
    );
  },
};

/** Writes the bundle to a file, and beside it its source map and the licences. */
export async function bundleOperator(outfile: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/operator.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    sourcemap: true,
    // Node keeps the text in memory: without blanks and other languages' signs it is a third. Names
    // stay, for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    charset: 'ascii',
    legalComments: 'linked',
    plugins: [dropUnusedClientModules],
    define: { X0TTA_VERSION: JSON.stringify(version) },
    // Bundled CommonJS packages call require() for Node's own modules, which ESM does not have.
    banner: {
      js: [
        "import { createRequire } from 'node:module';",
        'const require = createRequire(import.meta.url);',
      ].join('\n'),
    },
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = join(root, 'dist');
  rmSync(folder, { recursive: true, force: true });
  const outfile = join(folder, 'operator.mjs');
  await bundleOperator(outfile);
  const mebibytes = (statSync(outfile).size / 2 ** 20).toFixed(1);
  console.log(`build: ${relative(root, outfile)}, ${mebibytes} MiB`);
}
