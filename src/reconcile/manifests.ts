// The bodies of the objects that the operator creates: ReplicaSets and its two services. Nothing of
// the user's metadata is copied: GitOps tools would take a child that carries their labels as
// theirs.
import * as names from '../api/names.ts';
import type { X0ttaDeployment } from '../api/schema.ts';
import type { Command } from '../core/model.ts';
import type { NewObject, OwnerReference, Service } from '../kube/port.ts';
import { writeRecord } from './record.ts';

/** The name of one of the operator's two services. */
export function serviceName(object: X0ttaDeployment, role: 'stable' | 'canary'): string {
  return `${object.spec.traffic.service}-${role}`;
}

/** The name of a revision's ReplicaSet. */
export function replicaSetName(object: X0ttaDeployment, revision: string): string {
  return `${object.metadata.name}-${revision}`;
}

/** What a service of the operator selects: the object's pods of one revision. */
export function selectorOf(object: X0ttaDeployment, revision: string): Record<string, string> {
  return { ...object.spec.selector.matchLabels, [names.REVISION_LABEL]: revision };
}

function ownerReferences({ metadata }: X0ttaDeployment): readonly OwnerReference[] {
  const { name, uid } = metadata;
  const { API_VERSION: apiVersion, KIND: kind } = names;
  return [{ apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }];
}

export function replicaSetBody(
  object: X0ttaDeployment,
  command: Extract<Command, { kind: 'createReplicaSet' }>,
): NewObject {
  const { metadata, spec } = object;
  const { revision, hash, replicas, record } = command;
  const selector = selectorOf(object, revision);
  const labels = { ...selector, [names.OBJECT_LABEL]: metadata.name };
  const noted = Object.entries(writeRecord(record)).filter(([, value]) => value !== null);
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: replicaSetName(object, revision),
      namespace: metadata.namespace,
      labels,
      annotations: { ...Object.fromEntries(noted), [names.HASH_ANNOTATION]: hash },
      ownerReferences: ownerReferences(object),
    },
    spec: {
      replicas,
      minReadySeconds: spec.minReadySeconds,
      selector: { matchLabels: selector },
      template: {
        ...spec.template,
        metadata: {
          ...spec.template.metadata,
          labels: { ...spec.template.metadata.labels, ...labels },
        },
      },
    },
  };
}

export function serviceBody(
  object: X0ttaDeployment,
  role: 'stable' | 'canary',
  revision: string,
  userService: Service,
): NewObject {
  const ports = (userService.spec.ports ?? []).map(
    ({ name, port, protocol, appProtocol, targetPort }) => ({
      ...(name === undefined ? {} : { name }),
      port,
      ...(protocol === undefined ? {} : { protocol }),
      ...(appProtocol === undefined ? {} : { appProtocol }),
      ...(targetPort === undefined ? {} : { targetPort }),
    }),
  );
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: serviceName(object, role),
      namespace: object.metadata.namespace,
      labels: { [names.MANAGED_BY_LABEL]: names.FIELD_MANAGER },
      ownerReferences: ownerReferences(object),
    },
    spec: { selector: selectorOf(object, revision), ports },
  };
}
