// Service accounts with rights of their own for what runs beside the cluster.
import type { Cluster } from './cluster.ts';

/** A rule of RBAC. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/**
 * Makes a namespace, a service account in it and a cluster role of these rules; returns a
 * kubeconfig's path.
 */
export async function createAccount(
  cluster: Cluster,
  namespace: string,
  name: string,
  rules: readonly PolicyRule[],
): Promise<string> {
  const rbac = 'rbac.authorization.k8s.io';
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name };
  await cluster.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef,
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  ]);
  return cluster.kubeconfigFor(`${namespace}/${name}`);
}
