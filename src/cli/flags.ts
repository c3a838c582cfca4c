// The flags of the operator: one table by which they are read, checked and explained. It does
// nothing that a flag says.
import { parseArgs } from 'node:util';
import { parseDuration } from '../api/quantities.ts';
import { defaultLeaseTimes } from '../kube/lease.ts';
import type { LeaseTimes } from '../kube/lease.ts';
import type { LogLevel } from '../runtime/log.ts';
import type { ListenAddress } from '../telemetry/listener.ts';

export interface Flags {
  /** Path of the operator's configuration. */
  readonly config: string;
  readonly kubeconfig: string | undefined;
  /** Of /metrics. */
  readonly listen: ListenAddress;
  /** Of /healthz and /readyz. */
  readonly probeListen: ListenAddress;
  readonly logLevel: LogLevel;
  /** Where the Lease is. */
  readonly namespace: string;
  readonly leaderElect: boolean;
  readonly leaseTimes: LeaseTimes;
  /** Every flag that has a value, as `--name=value`, for the log; none is a secret. */
  readonly shown: readonly string[];
}

/** What a command line asks for. */
export type CommandLine =
  | { readonly kind: 'run'; readonly flags: Flags }
  | { readonly kind: 'version' }
  | { readonly kind: 'help' }
  /** The message names the flag and says what would be right. */
  | { readonly kind: 'refused'; readonly message: string };

interface Flag {
  /** What stands for its value; null: it takes none. */
  readonly value: string | null;
  readonly default?: string | boolean;
  readonly help: string;
}

const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
const { durationMs, renewDeadlineMs, retryPeriodMs } = defaultLeaseTimes;
/** A Lease that is written more often loads the API server for nothing. */
const leastRetryMs = 100;

const table: Readonly<Record<string, Flag>> = {
  config: { value: 'FILE', help: "the operator's configuration (needed)" },
  kubeconfig: {
    value: 'FILE',
    help: "of the API server (default: $KUBECONFIG, ~/.kube/config, the pod's)",
  },
  listen: { value: '[HOST]:PORT', default: ':8080', help: 'address of /metrics' },
  'probe-listen': {
    value: '[HOST]:PORT',
    default: ':8081',
    help: 'address of /healthz and /readyz',
  },
  'log-level': { value: 'LEVEL', default: 'info', help: `one of ${logLevels.join(', ')}` },
  namespace: { value: 'NAME', default: 'x0tta-system', help: 'namespace of the Lease' },
  'leader-elect': {
    value: null,
    default: true,
    help: 'write only while the Lease is held (default: yes)',
  },
  'lease-duration': {
    value: 'DURATION',
    default: `${durationMs / 1000}s`,
    help: 'a leader that was silent for so long is replaced',
  },
  'renew-deadline': {
    value: 'DURATION',
    default: `${renewDeadlineMs / 1000}s`,
    help: 'a leader that could not renew for so long ends',
  },
  'retry-period': {
    value: 'DURATION',
    default: `${retryPeriodMs / 1000}s`,
    help: 'time between two tries to renew or take it',
  },
  version: { value: null, default: false, help: 'print the version' },
  help: { value: null, default: false, help: 'print this list' },
};

/** `args` are those after the names of Node and the program. */
export function readCommandLine(args: readonly string[]): CommandLine {
  try {
    const values = parse(args);
    if (values['help'] === true) return { kind: 'help' };
    if (values['version'] === true) return { kind: 'version' };
    return { kind: 'run', flags: flagsOf(values) };
  } catch (error) {
    // Node adds advice that is not true here, after the sentence that names the flag.
    const [message] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/);
    return { kind: 'refused', message: `${message}; --help lists all flags` };
  }
}

/** Every flag on a line of its own, with its default. */
export function helpText(version: string): string {
  const rows = Object.entries(table).map(([name, flag]) => {
    const { value, default: is, help } = flag;
    const left = `--${is === true ? '[no-]' : ''}${name}${value === null ? '' : ` ${value}`}`;
    return [left, typeof is === 'string' ? `${help} (default: ${is})` : help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`);
  return `x0tta ${version}: rolls a bad canary back.\n\n${lines.join('')}`;
}

/** No flag is a list. */
type Values = Readonly<Record<string, string | boolean | undefined>>;

function parse(args: readonly string[]): Values {
  const options = Object.entries(table).map(([name, { value, default: is }]) => {
    const type = value === null ? ('boolean' as const) : ('string' as const);
    return [name, is === undefined ? { type } : { type, default: is }] as const;
  });
  return parseArgs({
    args: [...args],
    allowNegative: true,
    options: Object.fromEntries(options),
  }).values;
}

function flagsOf(values: Values): Flags {
  const text = (name: string): string => String(values[name] ?? '');
  const config = text('config');
  if (config === '') throw new Error('--config FILE is needed');
  const logLevel = logLevels.find((level) => level === text('log-level'));
  if (logLevel === undefined) throw new Error(`--log-level is one of ${logLevels.join(', ')}`);
  const namespace = text('namespace');
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new Error(`--namespace ${namespace} is not the name of a namespace`);
  }
  const shown = Object.keys(table)
    .filter((name) => values[name] !== undefined && name !== 'version' && name !== 'help')
    .map((name) => `--${name}=${text(name)}`);
  return {
    config,
    kubeconfig: values['kubeconfig'] === undefined ? undefined : text('kubeconfig'),
    listen: readAddress('listen', text('listen')),
    probeListen: readAddress('probe-listen', text('probe-listen')),
    logLevel,
    namespace,
    leaderElect: values['leader-elect'] === true,
    leaseTimes: readLeaseTimes(text),
    shown,
  };
}

function readAddress(flag: string, text: string): ListenAddress {
  const [, inBrackets, plain, digits] = /^(?:\[([^[\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw new Error(
      `--${flag} ${text} is not [HOST]:PORT, such as :8080, 127.0.0.1:8080 or [::1]:8080`,
    );
  }
  const host = inBrackets ?? plain ?? '';
  return { flag: `--${flag}`, host: host === '' ? undefined : host, port };
}

function readLeaseTimes(text: (name: string) => string): LeaseTimes {
  const milliseconds = (name: string): number => {
    const parsed = parseDuration(text(name));
    if (!parsed.ok) throw new Error(`--${name}: ${parsed.error}`);
    return parsed.value * 1000;
  };
  const times = {
    durationMs: milliseconds('lease-duration'),
    renewDeadlineMs: milliseconds('renew-deadline'),
    retryPeriodMs: milliseconds('retry-period'),
  };
  if (times.retryPeriodMs < leastRetryMs) {
    throw new Error(`--retry-period ${text('retry-period')} is under ${leastRetryMs}ms`);
  }
  if (times.durationMs > times.renewDeadlineMs && times.renewDeadlineMs > times.retryPeriodMs) {
    return times;
  }
  const given = ['lease-duration', 'renew-deadline', 'retry-period'].map(text).join(', ');
  throw new Error(
    `--lease-duration must be longer than --renew-deadline, and that longer than --retry-period, ` +
      `which are ${given}`,
  );
}
