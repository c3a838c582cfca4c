// What the admission policy must refuse the operator's account, each with the policy's words.
import { app } from '../scenarios/stage.ts';
import { deploymentOwner, names, ownerOf, replicaSet, route, service } from './scene.ts';
import type { NewObject, Refusal, Resource, RouteResource, Write } from './writes.ts';

/** How each refusal ends. */
export const messages = {
  replicaSet:
    'is not of the operator: it needs the label x0tta.io/object, a name that begins with it, ' +
    'and no other owner',
  owner: 'the operator creates ReplicaSets of X0ttaDeployments alone',
  service:
    'is not of the operator: it needs the label app.kubernetes.io/managed-by=x0tta, a name that ' +
    'ends in -stable or -canary, and no other owner',
  deletion: 'the operator deletes no Service',
  type: 'the operator creates Services of type ClusterIP, without external addresses',
  typeChange: 'the operator changes neither the type nor the external addresses of a Service',
  object: 'of an X0ttaDeployment the operator writes its finalizer and the status alone',
  finalizer: 'the only finalizer that the operator puts on or takes off is x0tta.io/traffic',
  weights: 'of a route the operator writes the weights of its own services alone',
  metadata: 'of the metadata of a route the operator writes annotations x0tta.io/… alone',
  fields: 'of the managed fields of a route the operator takes its own entry out alone',
} as const;

type Message = keyof typeof messages;

const refusal = (message: Message, what: string, write: Write): Refusal => ({
  what,
  write,
  message: messages[message],
});

const creation =
  (resource: Resource) =>
  (message: Message, what: string, object: NewObject): Refusal =>
    refusal(message, `create ${what}`, { kind: 'create', resource, object });

const change =
  (resource: Resource, name: string) =>
  (message: Message, what: string, patch: object): Refusal =>
    refusal(message, what, { kind: 'patch', resource, name, patch });

const deletion = (message: Message, what: string, resource: Resource, name: string): Refusal =>
  refusal(message, `delete ${what}`, { kind: 'delete', resource, name });

const labelled = (labels: object): object => ({ metadata: { labels } });
const scaled = { spec: { replicas: 1 } };

function replicaSetRefusals(): readonly Refusal[] {
  const { own, foreign, disguised, ownerless } = names;
  const mark = { 'x0tta.io/object': app };
  const owners = [ownerOf(app)];
  const create = creation('replicasets');
  const remark = labelled({ 'x0tta.io/object': 'web' });
  return [
    create('replicaSet', 'a ReplicaSet without the label', replicaSet(`${app}-1`, {}, owners)),
    create('replicaSet', 'one of another name', replicaSet('web-2', mark, owners)),
    create('replicaSet', 'one named as the object', replicaSet(app, mark, owners)),
    create('owner', 'one without an owner', replicaSet(`${app}-1`, mark, [])),
    create('owner', 'one of another object', replicaSet(`${app}-1`, mark, [ownerOf('other')])),
    create(
      'replicaSet',
      'one with another owner beside the object',
      replicaSet(`${app}-1`, mark, [...owners, deploymentOwner(false)]),
    ),
    change('replicasets', foreign)('replicaSet', "scale a Deployment's ReplicaSet", scaled),
    change('replicasets', foreign)('replicaSet', "mark a Deployment's ReplicaSet", remark),
    deletion('replicaSet', "a Deployment's ReplicaSet", 'replicasets', foreign),
    change('replicasets', ownerless)(
      'replicaSet',
      'mark a ReplicaSet of nobody',
      labelled({ 'x0tta.io/object': 'bare' }),
    ),
    change('replicasets', disguised)('replicaSet', "scale a Deployment's that is marked", scaled),
    deletion('replicaSet', "a Deployment's ReplicaSet that is marked", 'replicasets', disguised),
    change('replicasets', own)('replicaSet', 'mark its own for another object', remark),
    change('replicasets', own)('replicaSet', 'take the mark off its own', {
      metadata: { labels: { 'x0tta.io/object': null } },
    }),
    change('replicasets', own)('replicaSet', 'take another owner off its own', [
      { op: 'remove', path: '/metadata/ownerReferences/1' },
    ]),
    change('replicasets', own)('replicaSet', 'give its own to another owner', [
      {
        op: 'add',
        path: '/metadata/ownerReferences/-',
        value: { ...deploymentOwner(false), uid: 'b' },
      },
    ]),
  ];
}

function serviceRefusals(): readonly Refusal[] {
  const canary = `${app}-canary`;
  const create = creation('services');
  const own = change('services', `${app}-stable`);
  const opened = change('services', names.opened);
  const users = change('services', app);
  const managed = labelled({ 'app.kubernetes.io/managed-by': 'x0tta' });
  const outside = { type: 'ExternalName', externalName: 'example.com' };
  return [
    create('service', 'a Service without the label', service(canary, {}, {})),
    create('service', 'one of another name', service(`${app}-other`)),
    create(
      'service',
      'one of another owner',
      service(canary, {}, undefined, [deploymentOwner(true)]),
    ),
    create('type', 'one of type LoadBalancer', service(canary, { type: 'LoadBalancer' })),
    create('type', 'one of type NodePort', service(canary, { type: 'NodePort' })),
    create('type', 'one of type ExternalName', service(canary, outside)),
    create('type', 'one with external addresses', service(canary, { externalIPs: ['192.0.2.1'] })),
    own('typeChange', 'make its own a NodePort', { spec: { type: 'NodePort' } }),
    own('typeChange', 'give its own an external address', { spec: { externalIPs: ['192.0.2.1'] } }),
    opened('typeChange', 'close what a person opened', { spec: { type: 'ClusterIP' } }),
    opened('typeChange', 'take the external address that a person gave', {
      spec: { externalIPs: null },
    }),
    own('service', 'take the label off its own', {
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    }),
    users('service', "turn the user's own Service", { spec: { selector: { app: 'other' } } }),
    users('service', "mark the user's own Service", managed),
    change('services', 'user-canary')('service', "mark a user's Service named -canary", managed),
    deletion('deletion', "the user's own Service", 'services', app),
    deletion('deletion', 'its own Service', 'services', `${app}-stable`),
  ];
}

function objectRefusals(): readonly Refusal[] {
  const patch = change('x0ttadeployments', app);
  const ours = 'x0tta.io/traffic';
  const finalizers = (...list: readonly string[]): object => ({ metadata: { finalizers: list } });
  return [
    patch('object', "change an object's spec", { spec: { replicas: 3 } }),
    patch('object', 'add a label to an object', labelled({ more: 'b' })),
    patch('object', 'take a label off an object', { metadata: { labels: { team: null } } }),
    patch('object', 'annotate an object', {
      metadata: { annotations: { 'x0tta.io/action': 'promote/a' } },
    }),
    patch('object', 'take an annotation off an object', {
      metadata: { annotations: { note: null } },
    }),
    patch('object', 'give an object an owner', {
      metadata: { ownerReferences: [deploymentOwner(true)] },
    }),
    patch(
      'finalizer',
      "put another's finalizer on",
      finalizers(ours, 'test.x0tta.io/keep', 'x.io/b'),
    ),
    patch('finalizer', "take another's finalizer off", finalizers(ours)),
    patch('finalizer', 'take all finalizers off', { metadata: { finalizers: null } }),
  ];
}

function routeRefusals(resource: RouteResource): readonly Refusal[] {
  const kind = resource === 'httproutes' ? 'HTTPRoute' : 'GRPCRoute';
  const patched = change(resource, app);
  const { spec } = route(resource) as { readonly spec: { readonly rules: readonly object[] } };
  const [first, second] = spec.rules;
  const rule = '/spec/rules/0';
  const add = (path: string, value: unknown): object => ({ op: 'add', path, value });
  const remove = (path: string): object => ({ op: 'remove', path });
  const weigh = [80, 20].map((value, i) => add(`${rule}/backendRefs/${i}/weight`, 20 + value / 2));
  const more = { name: `${app}-canary`, port: 81, weight: 0 };
  const weights = (what: string, ...patch: readonly object[]): Refusal =>
    patched('weights', `${what} of the ${kind}`, patch);
  const metadata = (what: string, ...patch: readonly object[]): Refusal =>
    patched('metadata', `${what} of the ${kind}`, patch);
  return [
    weights('change the matches', add(`${rule}/matches`, [])),
    weights('take the filters', remove(`${rule}/filters`)),
    weights(
      'change a filter',
      add(`${rule}/filters/0/requestHeaderModifier/set/0/value`, 'another'),
    ),
    weights('give filters to a rule', add('/spec/rules/1/filters', [mirror()])),
    weights('change the hostnames', add('/spec/hostnames/0', 'b.test')),
    weights('take the hostnames', remove('/spec/hostnames')),
    weights('change the parents', add('/spec/parentRefs/-', { name: 'private' })),
    weights('add a backend', add(`${rule}/backendRefs/-`, more)),
    weights('remove a backend', remove(`${rule}/backendRefs/1`)),
    weights('rename a backend', add(`${rule}/backendRefs/1/name`, 'evil-canary')),
    weights('change the port of a backend', add(`${rule}/backendRefs/1/port`, 81)),
    weights('change the namespace of a backend', add(`${rule}/backendRefs/1/namespace`, 'other')),
    weights('take the namespace of a backend', remove('/spec/rules/1/backendRefs/0/namespace')),
    weights('give filters to a backend', add(`${rule}/backendRefs/1/filters`, [mirror()])),
    weights("change another backend's weight", add(`${rule}/backendRefs/2/weight`, 8)),
    weights('add a rule', add('/spec/rules/-', second)),
    weights('remove a rule', remove('/spec/rules/1')),
    weights('swap the rules', add('/spec/rules', [second, first])),
    weights('change weights and hostnames', ...weigh, add('/spec/hostnames/0', 'b.test')),
    metadata('add an annotation', add('/metadata/annotations/b', 'c')),
    metadata('change an annotation', add('/metadata/annotations/note', 'c')),
    metadata('take an annotation', remove('/metadata/annotations/note')),
    metadata('add a label', add('/metadata/labels/b', 'c')),
    metadata('take a label', remove('/metadata/labels/team')),
    metadata('change the owners', add('/metadata/ownerReferences', [deploymentOwner(true)])),
    metadata('change the finalizers', add('/metadata/finalizers', ['x0tta.io/traffic'])),
    metadata('change weights and a label', ...weigh, add('/metadata/labels/b', 'c')),
    refusal('fields', `weigh the ${kind} under another name`, {
      kind: 'patch',
      resource,
      name: app,
      patch: weigh,
      manager: 'another',
    }),
  ];
}

function mirror(): object {
  return { type: 'RequestMirror', requestMirror: { backendRef: { name: 'spy', port: 80 } } };
}

export const refusals: readonly Refusal[] = [
  ...replicaSetRefusals(),
  ...serviceRefusals(),
  ...objectRefusals(),
  ...routeRefusals('httproutes'),
  ...routeRefusals('grpcroutes'),
];
