// The sample workload's settings: their names, ranges and starting values, read from environment
// variables or from JSON, with errors that name the setting. It does not act on them.

/** How a sample pod behaves. Times count from the start or from the last change of any setting. */
export interface Settings {
  /** Share of requests answered 500; 0 to 1. */
  readonly errorRatio: number;
  /** Errors begin this late. */
  readonly errorAfterSeconds: number;
  /** Errors end by themselves after this long; null: never. */
  readonly errorForSeconds: number | null;
  /** What a slow request takes. */
  readonly latencyMs: number;
  /** Share of requests that are slow; 0 to 1. */
  readonly latencyRatio: number;
  /** Memory that is allocated and touched every second, in 10^6 bytes. */
  readonly memoryMbPerSecond: number;
  /** Where that growth ends. */
  readonly memoryMaxMb: number;
  /** Growth of the handshake failure counter. */
  readonly pqcFailuresPerSecond: number;
  /** Whether the pod reports that it fell back to classical cryptography. */
  readonly pqcFallback: boolean;
  /** The process exits with code 1 after this long; null: never, 0: at once. */
  readonly crashAfterSeconds: number | null;
  /** Whether /health answers 503. */
  readonly unhealthy: boolean;
  /** How long the pod goes on serving after SIGTERM. */
  readonly terminationDrainMs: number;
}

type Field =
  | { readonly kind: 'number'; readonly initial: number; readonly maximum: number }
  | { readonly kind: 'numberOrNull'; readonly initial: null; readonly maximum: number }
  | { readonly kind: 'boolean'; readonly initial: false };

const DAY_SECONDS = 86_400;

const FIELDS = {
  errorRatio: { kind: 'number', initial: 0, maximum: 1 },
  errorAfterSeconds: { kind: 'number', initial: 0, maximum: DAY_SECONDS },
  errorForSeconds: { kind: 'numberOrNull', initial: null, maximum: DAY_SECONDS },
  latencyMs: { kind: 'number', initial: 0, maximum: 60_000 },
  latencyRatio: { kind: 'number', initial: 1, maximum: 1 },
  memoryMbPerSecond: { kind: 'number', initial: 0, maximum: 1_000 },
  memoryMaxMb: { kind: 'number', initial: 1_000, maximum: 4_000 },
  pqcFailuresPerSecond: { kind: 'number', initial: 0, maximum: 1_000 },
  pqcFallback: { kind: 'boolean', initial: false },
  crashAfterSeconds: { kind: 'numberOrNull', initial: null, maximum: DAY_SECONDS },
  unhealthy: { kind: 'boolean', initial: false },
  terminationDrainMs: { kind: 'number', initial: 0, maximum: 60_000 },
} as const satisfies Record<keyof Settings, Field>;

const NAMES = Object.keys(FIELDS) as readonly (keyof Settings)[];

/** A setting that is unknown, of the wrong type or out of range; the message says which and why. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** The settings of a pod that behaves well. */
export const INITIAL_SETTINGS: Settings = Object.freeze(
  Object.fromEntries(NAMES.map((name) => [name, FIELDS[name].initial])) as unknown as Settings,
);

/** The environment variable of a setting: `errorRatio` is ERROR_RATIO. */
export function environmentName(setting: keyof Settings): string {
  return setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/**
 * Reads settings from environment variables; one that is unset or empty keeps its initial value.
 */
export function settingsFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  const read: Record<string, unknown> = {};
  for (const name of NAMES) {
    const text = environment[environmentName(name)]?.trim() ?? '';
    if (text !== '') read[name] = checked(environmentName(name), FIELDS[name], parsed(text));
  }
  return { ...INITIAL_SETTINGS, ...read };
}

/** Reads a partial set of settings, by their own names, from the JSON text of an object. */
export function settingsFromJson(text: string): Partial<Settings> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SettingsError(`not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SettingsError('expected a JSON object of settings');
  }
  const read: Record<string, unknown> = {};
  for (const [name, raw] of Object.entries(value)) {
    if (!isSetting(name)) {
      throw new SettingsError(`${name}: no such setting; there are ${NAMES.join(', ')}`);
    }
    read[name] = checked(name, FIELDS[name], raw);
  }
  return read;
}

function isSetting(name: string): name is keyof Settings {
  return Object.hasOwn(FIELDS, name);
}

function parsed(text: string): unknown {
  if (text === 'true') return true;
  if (text === 'false') return false;
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}

function checked(name: string, field: Field, value: unknown): unknown {
  if (field.kind === 'boolean') {
    if (typeof value === 'boolean') return value;
    throw new SettingsError(`${name}: expected true or false, got ${JSON.stringify(value)}`);
  }
  if (field.kind === 'numberOrNull' && value === null) return null;
  if (typeof value === 'number' && value >= 0 && value <= field.maximum) return value;
  const got = typeof value === 'number' ? String(value) : JSON.stringify(value);
  throw new SettingsError(`${name}: expected a number from 0 to ${field.maximum}, got ${got}`);
}
