// The Kubernetes objects around the sample workload that scenarios and the demo apply: its Service,
// its HTTPRoute and its pod template. It sends nothing to a cluster.

const PORT = 8080;

/** The Service that a user's workload has, and that traffic.service names. */
export function sampleService(namespace: string, name: string): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: {
      selector: { app: name },
      ports: [{ name: 'http', port: PORT, targetPort: PORT }],
    },
  };
}

/** Where an HTTPRoute joins in. */
export interface RouteParent {
  readonly gateway: { readonly namespace: string; readonly name: string };
  readonly hostname: string;
}

/** The HTTPRoute as a user writes it: all weight on <name>-stable, none on <name>-canary. */
export function sampleHttpRoute(
  namespace: string,
  name: string,
  { gateway, hostname }: RouteParent,
): Readonly<Record<string, unknown>> {
  // With the defaults of the API written out, the object reads back as it was applied.
  const backend = (suffix: string, weight: number): object => ({
    group: '',
    kind: 'Service',
    name: `${name}-${suffix}`,
    port: PORT,
    weight,
  });
  const parent = { group: 'gateway.networking.k8s.io', kind: 'Gateway', ...gateway };
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace, name },
    spec: {
      parentRefs: [parent],
      hostnames: [hostname],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
          backendRefs: [backend('stable', 100), backend('canary', 0)],
        },
      ],
    },
  };
}

/** What differs between one sample pod and another. */
export interface SampleTemplateOptions {
  /** The value of the label `app`. */
  readonly name: string;
  /** Reported by every answer. */
  readonly version: string;
  /** The image's reference. */
  readonly image: string;
  /** Behaviour, by the environment variables of settings.ts, for example ERROR_RATIO. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A PodTemplateSpec of the sample, as the restricted Pod Security Standard wants it. */
export function sampleTemplate(options: SampleTemplateOptions): Readonly<Record<string, unknown>> {
  const { name, version, image, env = {} } = options;
  const environment = { VERSION: version, ...env };
  return {
    metadata: { labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 5,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'sample',
          image,
          imagePullPolicy: 'Never',
          env: Object.entries(environment).map(([variable, value]) => ({ name: variable, value })),
          ports: [{ name: 'http', containerPort: PORT }],
          // On a full machine an answer may take a second, and the pod is no less ready.
          readinessProbe: {
            httpGet: { path: '/health', port: PORT },
            periodSeconds: 1,
            timeoutSeconds: 10,
          },
          // The limit is well above what the sample needs, so that only MEMORY_MB_PER_SECOND meets
          // it.
          resources: {
            requests: { cpu: '10m', memory: '64Mi' },
            limits: { memory: '192Mi' },
          },
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: true,
          },
        },
      ],
    },
  };
}
