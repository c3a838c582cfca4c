// Bundles the operator into one file with a source map, in memory: what ships, and what the cluster
// tests run. It checks no types (tsc does, in lint) and writes nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
};
const packageFolder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;

/** The operator as one file, with what belongs to it. */
export interface Bundle {
  /** By file name: 'operator.mjs', its source map, and the comments on licences in its sources. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Folders of the packages that it has code of, sorted: 'node_modules/yaml'. */
  readonly packageFolders: readonly string[];
}

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

/** Bundles the operator. The same sources and packages give the same bytes, wherever they are. */
export async function bundleOperator(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/operator.ts'],
    outfile: 'dist/operator.mjs', // the source map names the sources from there
    write: false,
    metafile: true,
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
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const folders = inputs
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .flatMap(([path]) => packageFolder.exec(path)?.[0] ?? []);
  return {
    files: new Map(
      outputFiles.map(({ path, contents }) => [
        path.slice(path.lastIndexOf('/') + 1),
        Buffer.from(contents),
      ]),
    ),
    packageFolders: [...new Set(folders)].toSorted(),
  };
}
