// The log: JSON lines by winston, one an entry. It writes what it is given as text and numbers, and
// of objects nothing at all, so that no header, token or environment gets into it by chance.
import { Writable } from 'node:stream';
import { createLogger, format, transports } from 'winston';
import type { Log, LogLevel } from '../runtime/log.ts';

export interface LogOptions {
  /** The least level that is written. */
  readonly level: LogLevel;
  /** Takes one line with its line feed; standard output if left out. */
  readonly write?: (line: string) => void;
}

/** A winston level for each of ours, the most important first. */
const LEVELS = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>;
const MAX_TEXT = 4096;
const MAX_ITEMS = 64;
const MAX_CAUSES = 8;

/**
 * Lines are `{"timestamp", "level", "message", …fields}`. A field that is an Error becomes its
 * message with those of its causes; a field under one of the three names gets a `_` at its end. It
 * never throws: a line that can't be written is lost.
 */
export function createLog({ level, write = toStandardOutput() }: LogOptions): Log {
  const stream = new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      try {
        write(line);
      } catch {
        // There is nowhere to say it.
      }
      done();
    },
  });
  const logger = createLogger({
    levels: LEVELS,
    level,
    format: format.combine(
      format.timestamp(),
      format.printf(({ timestamp, level: shown, message, fields }) =>
        JSON.stringify({ timestamp, level: shown, message, ...(fields as object) }),
      ),
    ),
    transports: [new transports.Stream({ stream, eol: '\n' })],
  });
  return (entryLevel, message, fields = {}) => {
    logger.log({ level: entryLevel, message: textOf(message), fields: readFields(fields) });
  };
}

/** Standard output that is closed early must not end the operator. */
function toStandardOutput(): (line: string) => void {
  process.stdout.on('error', () => undefined);
  return (line) => void process.stdout.write(line);
}

function readFields(fields: Record<string, unknown>): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const name of Object.keys(fields).slice(0, MAX_ITEMS)) {
    const taken = name === 'timestamp' || name === 'level' || name === 'message';
    try {
      read[taken ? `${name}_` : name] = valueOf(fields[name]);
    } catch {
      read[name] = '[unreadable]';
    }
  }
  return read;
}

function valueOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(scalarOf);
  return scalarOf(value);
}

function scalarOf(value: unknown): unknown {
  if (typeof value === 'string') return textOf(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'boolean' || value === null || value === undefined) return value;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Error) return textOf(messagesOf(value).join(': '));
  return typeof value === 'object' ? '[object]' : `[${typeof value}]`;
}

/** The error's message and those of its causes, without what one already says of the next. */
function messagesOf(error: Error): readonly string[] {
  const messages: string[] = [];
  let next: unknown = error;
  for (let depth = 0; next instanceof Error && depth < MAX_CAUSES; depth++) {
    const { name, message } = next;
    const shown = name === 'Error' ? message : `${name}: ${message}`;
    if (!(messages.at(-1) ?? '').endsWith(message)) messages.push(shown);
    next = next.cause;
  }
  return messages;
}

function textOf(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}
