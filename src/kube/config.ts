// Where the API server is and how to prove who we are. The only file that imports
// @kubernetes/client-node, which reads kubeconfigs and runs credential plugins; it sends nothing.
import { existsSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

/** What TLS needs; everything left out has Node's default. PEM as read from the kubeconfig. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
}

export interface Credentials {
  /** Authorization and impersonation headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
}

export interface KubeConnection {
  /** `https://host:port`, with a path where the API server is behind one. */
  readonly serverUrl: string;
  /**
   * The credentials of now: tokens are read from their files again, and exec plugins run again when
   * what they returned has expired. Rejects when they can't be had.
   */
  credentials(): Promise<Credentials>;
  /** The server refused the credentials: the next call reads everything anew. */
  invalidate(): void;
}

export interface ConnectionOptions {
  /** A kubeconfig file; left out: $KUBECONFIG, ~/.kube/config, then the pod's service account. */
  readonly kubeconfigPath?: string | undefined;
}

/** Credentials that are read this recently are used again without touching files. */
const CREDENTIALS_FRESH_MS = 10_000;

/** Reads the configuration and throws where it can't be used, saying why. */
export function loadConnection(options: ConnectionOptions = {}): KubeConnection {
  let config: KubeConfig | undefined = readConfig(options);
  const serverUrl = serverOf(config);
  let cached: { readonly credentials: Promise<Credentials>; readonly untilMs: number } | undefined;
  const read = async (): Promise<Credentials> => {
    config ??= readConfig(options);
    return readCredentials(config);
  };
  return {
    serverUrl,
    credentials() {
      const nowMs = performance.now();
      if (cached !== undefined && nowMs < cached.untilMs) return cached.credentials;
      const entry = { credentials: read(), untilMs: nowMs + CREDENTIALS_FRESH_MS };
      cached = entry;
      entry.credentials.catch(() => {
        if (cached === entry) cached = undefined;
      });
      return entry.credentials;
    },
    invalidate() {
      cached = undefined;
      config = undefined;
    },
  };
}

function readConfig(options: ConnectionOptions): KubeConfig {
  const config = new KubeConfig();
  const path = options.kubeconfigPath;
  if (path === undefined) {
    config.loadFromDefault();
  } else {
    if (!existsSync(path)) throw new Error(`kubeconfig ${path} does not exist`);
    try {
      config.loadFromFile(path);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`kubeconfig ${path} can't be read: ${why}`, { cause });
    }
  }
  return config;
}

function serverOf(config: KubeConfig): string {
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new Error(`the kubeconfig's context ${config.getCurrentContext()} names no cluster`);
  }
  if (cluster.proxyUrl !== undefined) {
    throw new Error(`cluster ${cluster.name} has a proxy-url, which is not supported`);
  }
  if (!cluster.server.startsWith('https://') || cluster.server.includes('undefined')) {
    throw new Error(`cluster ${cluster.name} has no https address: ${cluster.server}`);
  }
  return cluster.server;
}

async function readCredentials(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    // A token file ends with a line break more often than not, which no header may hold.
    if (value !== undefined) headers[name] = String(value).trim();
  }
  if (typeof options.auth === 'string') {
    headers['Authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  return { headers, tls: tlsOf(options) };
}

function tlsOf(options: RequestOptions): TlsMaterial {
  const { rejectUnauthorized, servername } = options;
  return {
    ...pem('ca', options.ca),
    ...pem('cert', options.cert),
    ...pem('key', options.key),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(servername === undefined ? {} : { servername }),
  };
}

/** client-node returns what it read from files and data as a Buffer, from plugins as a string. */
function pem(name: 'ca' | 'cert' | 'key', value: unknown): TlsMaterial {
  if (Buffer.isBuffer(value)) return { [name]: value.toString('utf8') };
  return typeof value === 'string' ? { [name]: value } : {};
}
