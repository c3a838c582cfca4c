// The operator's configuration file: which metric servers there are, how they are asked, and which
// namespaces are looked after. Text in, settings out; every error names the line and what would be
// right.
import { isCollection, isNode, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import * as z from 'zod';
import { parseDuration } from '../api/quantities.ts';
import type { ServerSettings } from './port.ts';
import { PROFILE_NAMES } from './profiles.ts';

export interface Configuration {
  /** Each with a name of its own; none: no canary can be judged, and every object says so. */
  readonly servers: readonly ServerSettings[];
  /** The name of the server of objects that name none; null where there is no server. */
  readonly defaultServer: string | null;
  /** How often a server is asked; null: max(5 s, its scrape interval). */
  readonly pollIntervalMs: number | null;
  /** Objects in these namespaces alone are looked after, at least one; null: in all. */
  readonly namespaces: readonly string[] | null;
}

/** A duration in ms, at least `leastMs`. */
function milliseconds(leastMs: number): z.ZodType<number> {
  return z.string().transform((text, context) => {
    const parsed = parseDuration(text);
    const ms = parsed.ok ? parsed.value * 1000 : 0;
    if (parsed.ok && ms >= leastMs) return ms;
    const message = parsed.ok ? `${text} is under ${leastMs / 1000} s` : parsed.error;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

const url = z.string().transform((text, context) => {
  const parsed = URL.canParse(text) ? new URL(text) : null;
  const plain =
    parsed !== null &&
    /^https?:$/.test(parsed.protocol) &&
    `${parsed.username}${parsed.password}${parsed.search}${parsed.hash}` === '';
  if (plain) return parsed.href.replace(/\/+$/, '');
  // The text is not repeated: it may hold a password.
  const message = 'must be an http or https URL without credentials, query or fragment';
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const label = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'is not a label name');

/** Headers that this operator sets itself, or that HTTP does. */
const ownHeaders = /^(authorization|host|connection|transfer-encoding|content-.*)$/i;
const header = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
const headerValue = z.string().regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII on one line');
const path = z.string().min(1, 'must be the path of a file');

const auth = z
  .strictObject({
    bearerTokenFile: path.optional(),
    basic: z.strictObject({ username: z.string(), passwordFile: path }).optional(),
  })
  .refine(
    ({ bearerTokenFile, basic }) => (bearerTokenFile === undefined) !== (basic === undefined),
    'names either bearerTokenFile or basic',
  );

const tls = z
  .strictObject({ caFile: path.optional(), certFile: path.optional(), keyFile: path.optional() })
  .refine(
    ({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined),
    'certFile and keyFile belong together',
  );

const dnsLabel = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'is not a DNS label');

const server = z.strictObject({
  name: dnsLabel,
  url,
  scrapeInterval: milliseconds(1_000).optional(),
  lag: milliseconds(0).prefault('1s'),
  timeout: milliseconds(100).prefault('5s'),
  auth: auth.optional(),
  headers: z.record(header, headerValue).default({}),
  tls: tls.default({}),
  profile: z.enum(PROFILE_NAMES).default('http'),
  labels: z.strictObject({ namespace: label.optional(), pod: label.optional() }).default({}),
  matchers: z.record(label, z.string()).default({}),
});

/** The file as it is written, before its durations are read. */
export const configurationSchema = z.strictObject({
  servers: z.array(server),
  defaultServer: z.string().optional(),
  pollInterval: milliseconds(1_000).optional(),
  namespaces: z.array(dnsLabel).min(1, 'needs at least one namespace').optional(),
});

type ConfigurationFile = z.infer<typeof configurationSchema>;
type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

/**
 * Reads a configuration; `file` is its name for messages.
 * @throws Error that lists every problem with its line and column.
 */
export function parseConfiguration(text: string, file: string): Configuration {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw new Error(describe(file, lines, broken.pos[0], broken.message));
  }
  const parsed = configurationSchema.safeParse(document.toJS() ?? {});
  const issues: readonly Issue[] = parsed.success ? consistency(parsed.data) : parsed.error.issues;
  if (parsed.success && issues.length === 0) return settingsOf(parsed.data);
  const messages = issues.map(({ path, message }) => {
    const where = path.length === 0 ? 'the file' : path.map(String).join('.');
    return describe(file, lines, offsetOf(document, path), `${where}: ${message}`);
  });
  throw new Error(messages.join('\n'));
}

function consistency({ servers, defaultServer, namespaces }: ConfigurationFile): Issue[] {
  const plain = servers.flatMap(({ url: address, tls: own }, i) =>
    address.startsWith('http:') && Object.keys(own).length > 0
      ? [{ path: ['servers', i, 'tls'], message: 'is for an https URL' }]
      : [],
  );
  const names = servers.map(({ name }) => name);
  const issues: Issue[] = names.flatMap((name, i) =>
    names.indexOf(name) === i
      ? []
      : [{ path: ['servers', i, 'name'], message: `${name} is the name of another server too` }],
  );
  const taken = servers.flatMap(({ headers }, i) =>
    Object.keys(headers)
      .filter((name) => ownHeaders.test(name))
      .map((name) => ({
        path: ['servers', i, 'headers', name],
        message: 'is set by the operator; use auth for credentials',
      })),
  );
  const again = (namespaces ?? []).flatMap((name, i, all) =>
    all.indexOf(name) === i
      ? []
      : [{ path: ['namespaces', i], message: `${name} is in the list already` }],
  );
  issues.push(...plain, ...taken, ...again);
  const listed = names.join(', ');
  if (defaultServer === undefined && names.length > 1) {
    issues.push({ path: [], message: `defaultServer is needed: one of ${listed}` });
  }
  if (defaultServer !== undefined && !names.includes(defaultServer)) {
    const message = names.length === 0 ? 'no server is listed' : `must be one of ${listed}`;
    issues.push({ path: ['defaultServer'], message });
  }
  return issues;
}

/** What a server's scrape interval is taken to be until it is measured. */
const assumedScrapeMs = 15_000;

function settingsOf(file: ConfigurationFile): Configuration {
  const servers = file.servers.map(({ scrapeInterval, lag, timeout, labels, ...rest }) => ({
    ...rest,
    auth: authOf(rest.auth),
    tls: {
      caFile: rest.tls.caFile ?? null,
      certFile: rest.tls.certFile ?? null,
      keyFile: rest.tls.keyFile ?? null,
    },
    labels: {
      ...(labels.namespace === undefined ? {} : { namespace: labels.namespace }),
      ...(labels.pod === undefined ? {} : { pod: labels.pod }),
    },
    scrapeIntervalMs: scrapeInterval ?? assumedScrapeMs,
    scrapeIntervalIsAssumed: scrapeInterval === undefined,
    lagMs: lag,
    timeoutMs: timeout,
  }));
  return {
    servers,
    defaultServer: file.defaultServer ?? servers[0]?.name ?? null,
    pollIntervalMs: file.pollInterval ?? null,
    namespaces: file.namespaces ?? null,
  };
}

function authOf(given: z.infer<typeof auth> | undefined): ServerSettings['auth'] {
  if (given?.bearerTokenFile !== undefined) {
    return { kind: 'bearer', tokenFile: given.bearerTokenFile };
  }
  return given?.basic === undefined ? null : { kind: 'basic', ...given.basic };
}

/** Where the value at `path` stands, or the nearest thing around it that does. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const within = path.slice(0, length);
    const node: unknown = isCollection(document.contents)
      ? document.getIn(within, true)
      : undefined;
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function describe(file: string, lines: LineCounter, offset: number, message: string): string {
  const { line, col } = lines.linePos(offset);
  return `${file}:${line}:${col}: ${message}`;
}
