// Load from the command line: `node test/cluster/load/main.ts URL --rps 50 --seconds 30 [--host
// NAME]`. Prints the report at the end, or when interrupted.

import { parseArgs } from 'node:util';

import { startLoad } from './generator.ts';
import type { Load } from './generator.ts';
import { loadTable } from './table.ts';

const USAGE = 'usage: node test/cluster/load/main.ts URL [--rps 50] [--seconds 30] [--host NAME]\n';

async function main(): Promise<void> {
  const load = startFromArguments();
  process.once('SIGINT', () => void load.stop());
  process.once('SIGTERM', () => void load.stop());
  process.stdout.write(loadTable(await load.done));
}

function startFromArguments(): Load {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rps: { type: 'string', default: '50' },
        seconds: { type: 'string', default: '30' },
        host: { type: 'string' },
      },
    });
    const [url, ...rest] = positionals;
    if (url === undefined || rest.length > 0) throw new TypeError('expected one URL');
    return startLoad({
      url,
      ...(values.host === undefined ? {} : { hostHeader: values.host }),
      requestsPerSecond: Number(values.rps),
      durationSeconds: Number(values.seconds),
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(2);
  }
}

await main();
