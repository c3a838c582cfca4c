// The sample workload's process: settings from the environment, one listening port, a graceful end
// on SIGTERM (also as process 1 of a container, where nothing happens by default). What it answers
// is in sample.ts.

import { hostname } from 'node:os';

import { Sample } from './sample.ts';
import { SettingsError, settingsFromEnvironment } from './settings.ts';
import type { Settings } from './settings.ts';

const TICK_MS = 100;

function main(): void {
  const settings = readSettings();
  const sample = new Sample({
    settings,
    version: process.env['VERSION'] ?? 'v1',
    pod: hostname(),
    clock: {
      nowMs: () => performance.now(),
      after: (delayMs, run) => {
        setTimeout(run, delayMs);
      },
    },
    crash: () => {
      log('crashing, as the settings say');
      process.exit(1);
    },
  });
  const { server } = sample;
  // Longer than a gateway keeps an idle connection, so that it is never the server that closes one
  // while a request is on its way.
  server.keepAliveTimeout = 300_000;
  server.listen(Number(process.env['PORT'] ?? 8080), process.env['HOST'] ?? '0.0.0.0', () => {
    const address = server.address();
    log(`listening on port ${typeof address === 'object' && address ? address.port : '?'}`);
  });
  setInterval(() => {
    sample.tick();
  }, TICK_MS).unref();
  process.once('SIGTERM', () => {
    log('draining');
    sample.drain();
    setTimeout(() => {
      sample.end(() => process.exit(0));
    }, sample.settings.terminationDrainMs);
  });
}

function readSettings(): Settings {
  try {
    return settingsFromEnvironment(process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    log(error.message);
    process.exit(2);
  }
}

function log(message: string): void {
  process.stdout.write(`${message}\n`);
}

main();
