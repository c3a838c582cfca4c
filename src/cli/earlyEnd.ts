// How the process ends while nothing else can see to it, and by an error that nobody expected. It
// is imported first and imports nothing: as PID 1 of a container a process without a handler
// ignores SIGTERM, so the handlers stand before all else is loaded.

export type Signal = 'SIGTERM' | 'SIGINT';

const say = (level: 'info' | 'error', message: string, fields: Record<string, unknown>): void => {
  const entry = { timestamp: new Date().toISOString(), level, message, ...fields };
  process.stdout.write(`${JSON.stringify(entry)}\n`);
};

/** Nothing runs yet, so nothing has to be put in order. */
let heed = (signal: Signal): void => {
  say('info', 'told to end before it began', { reason: signal });
  process.exit(0);
};

process.on('SIGTERM', () => heed('SIGTERM'));
process.on('SIGINT', () => heed('SIGINT'));

// Of an unhandled rejection, too. The Lease must not be kept by a process that is half broken.
process.on('uncaughtException', (error) => {
  const text = (error instanceof Error ? error.stack : undefined) ?? String(error);
  say('error', 'ending by an error that nobody expected', { error: text.slice(0, 4096) });
  process.exit(1);
});

/** From now on the listener hears the signals, and has to end the process. */
export function takeSignals(listener: (signal: Signal) => void): void {
  heed = listener;
}
