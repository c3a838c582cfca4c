// What the admission policy must let the operator's account do: each kind of write that it makes.
import { app } from '../scenarios/stage.ts';
import { names, ownerOf, replicaSet, service } from './scene.ts';
import type { NewObject, Resource, RouteResource, Trial } from './writes.ts';

const creation = (what: string, resource: Resource, object: NewObject): Trial => ({
  what: `create ${what}`,
  write: { kind: 'create', resource, object },
});

const change =
  (resource: Resource, name: string) =>
  (what: string, patch: object): Trial => ({
    what,
    write: { kind: 'patch', resource, name, patch },
  });

const orphaned = [{ op: 'remove', path: '/metadata/ownerReferences/0' }];

/** New weights for the services of the object. */
export const weigh = [70, 30].map((value, i) => {
  return { op: 'add', path: `/spec/rules/0/backendRefs/${i}/weight`, value };
});

function replicaSetTrials(): readonly Trial[] {
  const own = change('replicasets', names.own);
  const mark = { 'x0tta.io/object': app };
  return [
    creation('a ReplicaSet', 'replicasets', replicaSet(`${app}-1`, mark, [ownerOf(app)])),
    own('scale its ReplicaSet', { spec: { replicas: 1 } }),
    own('annotate its ReplicaSet', { metadata: { annotations: { 'x0tta.io/role': 'stable' } } }),
    own('orphan its ReplicaSet', orphaned),
    {
      what: 'delete its ReplicaSet',
      write: { kind: 'delete', resource: 'replicasets', name: names.own },
    },
  ];
}

function serviceTrials(): readonly Trial[] {
  const own = change('services', `${app}-stable`);
  const turned = [{ op: 'replace', path: '/spec/selector', value: { app: 'b' } }];
  return [
    creation('a Service', 'services', service(`${app}-canary`)),
    creation('a Service of nobody', 'services', service(`${app}-canary`, {}, undefined, [])),
    own('turn its Service', turned),
    change('services', names.opened)('turn its Service that a person made a NodePort', turned),
    own('orphan its Service', orphaned),
  ];
}

function objectTrials(): readonly Trial[] {
  const foreign = 'test.x0tta.io/keep';
  const own = change('x0ttadeployments', app);
  return [
    own('take its finalizer off', { metadata: { finalizers: [foreign] } }),
    own('put its finalizer on anew', { metadata: { finalizers: [foreign, 'x0tta.io/traffic'] } }),
    change('x0ttadeployments', `${app}/status`)('write the status', {
      status: { observedGeneration: 1 },
    }),
  ];
}

function routeTrials(resource: RouteResource): readonly Trial[] {
  const kind = resource === 'httproutes' ? 'HTTPRoute' : 'GRPCRoute';
  const own = change(resource, app);
  const annotations = '/metadata/annotations';
  return [
    own(`weigh the ${kind}`, weigh),
    own(`weigh and annotate the ${kind}`, [
      ...weigh,
      { op: 'add', path: `${annotations}/x0tta.io~1rollout`, value: 'a/b/1' },
      { op: 'add', path: `${annotations}/x0tta.io~1verdict`, value: 'rejected' },
    ]),
    own(`annotate the ${kind}`, [
      { op: 'add', path: `${annotations}/x0tta.io~1verdict`, value: 'rejected' },
    ]),
    own(`take its annotation off the ${kind}`, [
      { op: 'remove', path: `${annotations}/x0tta.io~1verdict` },
    ]),
  ];
}

export const passes: readonly Trial[] = [
  ...replicaSetTrials(),
  ...serviceTrials(),
  ...objectTrials(),
  ...routeTrials('httproutes'),
  ...routeTrials('grpcroutes'),
];
