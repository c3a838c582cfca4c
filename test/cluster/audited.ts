// The chart installed for the account whose reads are audited, without its Deployment, and what
// that account asked the API server for against what the roles of the chart grant it.
import { mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { PolicyRule } from './account.ts';
import { policyInForce } from './admission/inForce.ts';
import type { AuditedWrite } from './auditLog.ts';
import { createClient } from './client.ts';
import type { Cluster } from './cluster.ts';
import { runCommand } from './command.ts';
import { auditedReader } from './controlPlane.ts';
import { waitFor } from './process.ts';

const [accountNamespace = '', accountName = ''] = auditedReader.split(':').slice(2);
/** Namespace of the release. */
export const auditedNamespace = accountNamespace;
/** The account as 'namespace/name'. */
export const auditedAccount = `${accountNamespace}/${accountName}`;
/** The chart's name for what belongs to no namespace: it carries that of the release. */
const policyName = `${accountNamespace}-${accountName}`;

/** An object of the chart, as far as it is read here. */
export interface ChartObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly PolicyRule[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
}

export interface AuditedChart {
  readonly objects: readonly ChartObject[];
  /** The operator's configuration file. */
  readonly configYaml: string;
  /** Removes all of it but the CRD, so that another one may be installed. */
  uninstall(): Promise<void>;
}

/** The chart for this account, with values of `--set`. */
export async function renderChart(
  cluster: Cluster,
  values: readonly string[] = [],
): Promise<readonly ChartObject[]> {
  const folder = mkdtempSync(join(cluster.folder, 'helm-'));
  const chart = resolve(import.meta.dirname, '..', '..', 'helm', 'x0tta');
  const args = ['template', accountName, chart, `--namespace=${accountNamespace}`, '--skip-tests'];
  const text = await runCommand(
    cluster.binaries('helm'),
    [...args, ...values.map((value) => `--set=${value}`)],
    { env: { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder } },
  );
  return parseAllDocuments(text)
    .map((document) => document.toJS() as ChartObject | null)
    .filter((object) => object !== null);
}

/**
 * Installs the chart and waits until its roles and its policy are in force.
 * @param probed a namespace in which the account may make ReplicaSets.
 */
export async function installAudited(
  cluster: Cluster,
  metricsUrl: string,
  probed: string,
  values: readonly string[] = [],
): Promise<AuditedChart> {
  const objects = await renderChart(cluster, [
    `prometheus.url=${metricsUrl}`,
    'prometheus.scrapeInterval=1s',
    'prometheus.lag=1s',
    'pollInterval=1s',
    ...values,
  ]);
  await cluster.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: accountNamespace } },
    ...objects.filter(({ kind }) => kind !== 'Deployment'),
  ]);
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
  const token = await cluster.tokenFor(auditedAccount);
  const client = createClient(cluster.apiUrl, token, cluster.ca);
  await policyInForce(client, probed, policyName);
  await client.close();
  const lease = ['create', 'leases.coordination.k8s.io', `--namespace=${accountNamespace}`];
  await waitFor('the role for the Lease to be in force', () =>
    cluster.kubectl(['auth', 'can-i', ...lease, `--as=${auditedReader}`]),
  );
  const configMap = objects.find(({ kind }) => kind === 'ConfigMap');
  const left = objects.filter(({ kind }) => kind !== 'CustomResourceDefinition');
  return {
    objects,
    configYaml: configMap?.data?.['config.yaml'] ?? '',
    uninstall: async () => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: left });
      await cluster.kubectl(['delete', '--ignore-not-found', '-f', '-'], { input });
    },
  };
}

/** `group/resource: verb` of each right that a binding of the chart gives. */
export function granted(objects: readonly ChartObject[]): readonly string[] {
  const bound = objects.flatMap(({ roleRef }) => roleRef ?? []);
  const rules = objects
    .filter(({ kind, metadata: { name } }) =>
      bound.some((ref) => ref.kind === kind && ref.name === name),
    )
    .flatMap((role) => role.rules ?? []);
  const rights = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => rightOf(group, resource, verb))),
    ),
  );
  return [...new Set(rights)].toSorted();
}

function rightOf(group: string, resource: string, verb: string): string {
  return `${group === '' ? 'core' : group}/${resource}: ${verb}`;
}

/** The requests of the account. */
export function ofAccount(entries: readonly AuditedWrite[]): readonly AuditedWrite[] {
  return entries.filter(({ user }) => user.username === auditedReader);
}

/** The rights that requests made use of, as granted() has them. */
export function used(requests: readonly AuditedWrite[]): readonly string[] {
  const rights = requests.map(({ objectRef, verb }) => {
    const { apiGroup = '', resource, subresource } = objectRef;
    const what = subresource === undefined ? resource : `${resource}/${subresource}`;
    return rightOf(apiGroup, what, verb);
  });
  return [...new Set(rights)].toSorted();
}

/** Requests that RBAC or the policy refused, each in the API server's words. */
export function refused(requests: readonly AuditedWrite[]): readonly string[] {
  return requests
    .filter(({ responseStatus: { code, message = '' } }) => {
      return code === 403 || message.includes('ValidatingAdmissionPolicy');
    })
    .map(({ verb, objectRef, responseStatus: { code, message } }) => {
      return `${verb} ${objectRef.resource} ${objectRef.name ?? ''}: ${code} ${message ?? ''}`;
    });
}
