// What scenarios share: a namespace with an X0ttaDeployment, its Service and route, an operator of
// its own, and words for what a scenario waits for and asserts. It asserts nothing itself.
import { request } from 'undici';
import type { RouteKind, Status, X0ttaDeployment } from '../../../src/api/schema.ts';
import { isHandBack, newEntries } from '../auditLog.ts';
import type { AuditedWrite } from '../auditLog.ts';
import type { Cluster } from '../cluster.ts';
import { gatewayRef } from '../gateway.ts';
import { startLoad } from '../load/generator.ts';
import type { Load } from '../load/generator.ts';
import { startOperator } from '../operator.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { freshNamespace } from '../namespace.ts';
import { importSample } from '../workload/install.ts';
import { sampleHttpRoute, sampleService, sampleTemplate } from '../workload/manifests.ts';

export const app = 'shop';

/** Time is scaled by the object: holds of seconds on a Prometheus that scrapes every second. */
const seconds = { for: '6s' };

/** A backend of the route with its weight. */
export interface Backend {
  readonly name: string;
  readonly weight: number;
}

interface Named {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

export interface Route extends Named {
  readonly spec: { readonly rules: readonly { readonly backendRefs: readonly Backend[] }[] };
}

export interface Pod extends Named {
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export interface ReplicaSet extends Named {
  readonly spec: { readonly replicas: number };
  readonly status: { readonly replicas: number };
}

/** The scale subresource, by which an HPA counts and scales. */
export interface Scale {
  readonly spec: { readonly replicas: number };
  readonly status: { readonly replicas: number; readonly selector: string };
}

/** What of a spec a scenario changes; a level deep. */
export type SpecChange = Readonly<Record<string, unknown>>;

export class Stage {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly hostname: string;
  /** The operators' metric server; else the cluster's Prometheus, or one that refuses. */
  metricsUrl: string | undefined;
  readonly #image: string;
  readonly #newEntries: () => readonly AuditedWrite[];
  readonly #writes: AuditedWrite[] = [];

  private constructor(cluster: Cluster, namespace: string, image: string) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.hostname = `${namespace}.test`;
    this.#image = image;
    this.#newEntries = newEntries(cluster, 'now');
  }

  /** A namespace of its own. */
  static async open(cluster: Cluster, name: string): Promise<Stage> {
    const namespace = await freshNamespace(cluster, name);
    const hasNode = cluster.profile !== 'control-plane';
    return new Stage(cluster, namespace, hasNode ? await importSample(cluster) : 'sample:none');
  }

  /** An operator that polls every second; without a Prometheus its server refuses connections. */
  startOperator(apiUrl?: string, ...args: readonly string[]): Promise<OperatorHandle> {
    const url = this.metricsUrl ?? this.cluster.prometheusUrl ?? 'http://127.0.0.1:9';
    const configYaml = [
      `servers: [{name: main, url: '${url}', scrapeInterval: 1s, lag: 1s, timeout: 2s}]`,
      'pollInterval: 1s',
    ].join('\n');
    const through = apiUrl === undefined ? {} : { apiUrl };
    return startOperator(this.cluster, { configYaml, args, ...through });
  }

  /** Requests through the gateway, from when it has taken the route up. */
  async startLoad(requestsPerSecond: number): Promise<Load> {
    const url = this.cluster.gatewayUrl ?? '';
    const hostHeader = this.hostname;
    await waitFor('the gateway to serve the route', async () => {
      const answer = await request(url, { headers: { host: hostHeader } });
      await answer.body.dump();
      return answer.statusCode === 200;
    });
    return startLoad({ url, hostHeader, requestsPerSecond, durationSeconds: 300 });
  }

  get #path(): string {
    return `/apis/x0tta.io/v1alpha1/namespaces/${this.namespace}/x0ttadeployments/${app}`;
  }

  get routePath(): string {
    return this.#pathOfRoute('HTTPRoute');
  }

  #pathOfRoute(kind: RouteKind): string {
    const group = '/apis/gateway.networking.k8s.io/v1';
    return `${group}/namespaces/${this.namespace}/${kind.toLowerCase()}s/${app}`;
  }

  service(): object {
    return sampleService(this.namespace, app);
  }

  route(): ReturnType<typeof sampleHttpRoute> {
    return sampleHttpRoute(this.namespace, app, { gateway: gatewayRef, hostname: this.hostname });
  }

  template(version: string, env: Readonly<Record<string, string>> = {}): Record<string, unknown> {
    return { ...sampleTemplate({ name: app, version, image: this.#image, env }) };
  }

  /** The object as a user writes it; `change` replaces fields of the spec. */
  object(template: object, change: SpecChange = {}): object {
    return {
      apiVersion: 'x0tta.io/v1alpha1',
      kind: 'X0ttaDeployment',
      metadata: { name: app, namespace: this.namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app } },
        template,
        progressDeadlineSeconds: 120,
        traffic: { service: app, gatewayAPI: { routes: [{ kind: 'HTTPRoute', name: app }] } },
        canary: {
          steps: [
            { weight: 20, hold: '5s' },
            { weight: 50, hold: '5s' },
          ],
          drainDelay: '2s',
        },
        signals: [
          { name: 'errorRate', rollback: { above: '10%', ...seconds }, minRequests: 20 },
          { name: 'latencyP95', rollback: { above: '500ms', ...seconds }, minRequests: 20 },
          { name: 'availability', rollback: { below: '0.01%', ...seconds } },
        ],
        ...change,
      },
    };
  }

  /** The Service, the route and the object, as one `kubectl apply`. */
  async applyAll(template: object, change: SpecChange = {}): Promise<void> {
    await this.cluster.apply([this.service(), this.route(), this.object(template, change)]);
  }

  async apply(template: object, change: SpecChange = {}): Promise<void> {
    await this.cluster.apply([this.object(template, change)]);
  }

  async act(action: string): Promise<void> {
    await this.cluster.client.patch(this.#path, {
      metadata: { annotations: { 'x0tta.io/action': action } },
    });
  }

  read(): Promise<X0ttaDeployment> {
    return this.cluster.client.get<X0ttaDeployment>(this.#path);
  }

  async scale(): Promise<Scale> {
    const { spec, status } = await this.cluster.client.get<Scale>(`${this.#path}/scale`);
    return { spec, status };
  }

  /** Waits until the status of the newest generation satisfies `holds`, and returns it. */
  async status(
    what: string,
    holds: (status: Status) => boolean,
    limitMs = 90_000,
  ): Promise<Status> {
    let last: X0ttaDeployment | undefined;
    try {
      return await waitFor(
        what,
        async () => {
          last = await this.read();
          const { status, metadata } = last;
          const isCurrent = status?.observedGeneration === metadata.generation;
          return isCurrent && status !== undefined && holds(status) && status;
        },
        limitMs,
      );
    } catch (error) {
      const status = JSON.stringify(last?.status, null, 1);
      throw new Error(`${String(error)}; the status is ${status}`, { cause: error });
    }
  }

  phase(phase: string, limitMs?: number): Promise<Status> {
    return this.status(`phase ${phase}`, (status) => status.phase === phase, limitMs);
  }

  /** Waits until the canary has its share and the hold of its step has begun. */
  canaryAt(weight: number): Promise<Status> {
    return this.status(`the canary at ${weight} %`, ({ canary, step }) => {
      return canary?.weight === weight && step?.startedAt !== undefined;
    });
  }

  /** Sends the pods of the canary that the status names, or of a revision, into a crash loop. */
  async breakCanary(revision?: string): Promise<void> {
    const broken = revision ?? (await this.read()).status?.canary?.revision ?? '';
    const annotations = { 'test.x0tta.io/behaviour': 'crash-loop' };
    for (const { metadata } of await this.pods(broken)) {
      const path = `/api/v1/namespaces/${this.namespace}/pods/${metadata.name}`;
      await this.cluster.client.patch(path, { metadata: { annotations } });
    }
  }

  async readRoute(kind: RouteKind = 'HTTPRoute'): Promise<Route> {
    return this.cluster.client.get<Route>(this.#pathOfRoute(kind));
  }

  /** The weights of the first rule: stable's, canary's. */
  async weights(): Promise<readonly number[]> {
    const { spec } = await this.readRoute();
    return (spec.rules[0]?.backendRefs ?? []).map(({ weight }) => weight);
  }

  /** Pods of a revision, by name. */
  async pods(revision?: string): Promise<readonly Pod[]> {
    const pods = await this.cluster.client.list<Pod>(`/api/v1/namespaces/${this.namespace}/pods`);
    const isOf = (pod: Pod): boolean =>
      revision === undefined || pod.metadata.labels?.['pod-template-hash'] === revision;
    return pods.filter(isOf).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  replicaSets(): Promise<readonly ReplicaSet[]> {
    return this.cluster.client.list<ReplicaSet>(
      `/apis/apps/v1/namespaces/${this.namespace}/replicasets`,
    );
  }

  /** Every write in this namespace so far, in the order of the audit log. */
  writes(): readonly AuditedWrite[] {
    const isOwn = ({ objectRef }: AuditedWrite): boolean => objectRef.namespace === this.namespace;
    this.#writes.push(...this.#newEntries().filter(isOwn));
    return [...this.#writes];
  }

  /** Objects of a resource as the operator's writes left them, in their order. */
  operatorsWrites<T>(resource: string): readonly T[] {
    return this.writes().flatMap(({ objectRef, user, responseObject, responseStatus }) => {
      const isOurs = user.username.endsWith(':x0tta') && responseStatus.code < 300;
      const isOf = objectRef.resource === resource && objectRef.subresource === undefined;
      return isOurs && isOf ? [responseObject as T] : [];
    });
  }

  /** The route's canary weights in the order they were written. */
  writtenWeights(): readonly number[] {
    return this.writes().flatMap((write) => {
      const { objectRef, responseObject } = write;
      if (objectRef.resource !== 'httproutes' || objectRef.subresource !== undefined) return [];
      if (isHandBack(write)) return [];
      const refs = (responseObject as Route | undefined)?.spec?.rules[0]?.backendRefs ?? [];
      return refs.flatMap(({ name, weight }) => (name === `${app}-canary` ? [weight] : []));
    });
  }

  /** The same, each change once. */
  weightChanges(): readonly number[] {
    return this.writtenWeights().filter((weight, i, all) => weight !== all[i - 1]);
  }

  /** Deletes the object, so that no later operator meets it. */
  async close(): Promise<void> {
    await this.cluster.kubectl(['delete', 'x0tta', '--all', '-n', this.namespace, '--timeout=30s']);
  }
}
