// The port through which every room logs. It holds no logger: telemetry/ implements it.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Writes one line. `fields` are plain JSON values; a logger never throws. */
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;
