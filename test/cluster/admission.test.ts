// The admission policy of deploy/ on a real API server: what it refuses the operator's account and
// nobody else, and what it lets that do. A whole life of the operator under it is in rbac.test.ts.
import { expect } from 'chai';
import { passes, weigh } from './admission/passes.ts';
import { messages, refusals } from './admission/refusals.ts';
import { denial, openAdmissionScene, route } from './admission/scene.ts';
import type { AdmissionScene } from './admission/scene.ts';
import { openStamping, stampedRefusals, stampedWrites } from './admission/stamping.ts';
import type { Stamping } from './admission/stamping.ts';
import { pathOf, refusalOf } from './admission/writes.ts';
import type { RouteResource, Write } from './admission/writes.ts';
import type { Cluster } from './cluster.ts';
import { app } from './scenarios/stage.ts';
import { sharedCluster } from './shared.ts';

const routes: readonly RouteResource[] = ['httproutes', 'grpcroutes'];

interface Managed {
  readonly metadata: { readonly managedFields: readonly { readonly manager: string }[] };
}

describe('the admission policy', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let scene: AdmissionScene;

  before(async () => {
    cluster = await sharedCluster('control-plane');
    scene = await openAdmissionScene(cluster);
  });

  after(async () => {
    await scene.close();
  });

  const asOperator = (write: Write): Promise<string> =>
    refusalOf(scene.operator, scene.namespace, write);

  for (const { what, write, message } of refusals) {
    it(`does not let the operator ${what}`, async () => {
      const refusal = await asOperator(write);
      expect(refusal).to.include(': 403 ');
      expect(refusal).to.include(denial);
      expect(refusal).to.include(`${message}"`);
      expect(await refusalOf(cluster.client, scene.namespace, write), 'by others').to.equal('');
    });
  }

  for (const { what, write } of passes) {
    it(`lets the operator ${what}`, async () => {
      expect(await asOperator(write)).to.equal('');
    });
  }

  for (const resource of routes) {
    it(`lets the operator leave the managed fields of ${resource}, and nobody else`, async () => {
      const path = pathOf(scene.namespace, resource, app);
      const { metadata } = await cluster.client.get<Managed>(path);
      const managers = metadata.managedFields.map(({ manager }) => manager);
      expect(managers).to.have.members(['git', 'somebody', 'x0tta']);
      const without = (...gone: readonly string[]): readonly object[] =>
        managers
          .map((manager, i) => ({ manager, path: `/metadata/managedFields/${i}` }))
          .filter(({ manager }) => gone.includes(manager))
          .toReversed()
          .flatMap((entry) => [
            { op: 'test', path: `${entry.path}/manager`, value: entry.manager },
            { op: 'remove', path: entry.path },
          ]);
      for (const gone of [['git'], ['somebody'], ['x0tta', 'git']]) {
        const patch = without(...gone);
        const refusal = await asOperator({ kind: 'patch', resource, name: app, patch });
        expect(refusal, gone.join()).to.include(`${denial}of the managed fields of a route`);
      }
      const query = '?fieldManager=x0tta&dryRun=All';
      const left = await scene.operator.patch<Managed>(path + query, without('x0tta'));
      expect(left.metadata.managedFields).to.deep.equal(
        metadata.managedFields.filter(({ manager }) => manager !== 'x0tta'),
      );
    });

    it(`lets the operator be the eleventh who writes ${resource}`, async () => {
      const { client } = cluster;
      const path = pathOf(scene.namespace, resource, 'shared');
      const others = Array.from({ length: 10 }, (_, i) => `other-${i}`);
      await client.create(`${pathOf(scene.namespace, resource)}?fieldManager=other-0`, {
        ...route(resource),
        metadata: { name: 'shared' },
      });
      for (const other of others.slice(1)) {
        const patch = { metadata: { annotations: { [other]: 'a' } } };
        await client.patch(`${path}?fieldManager=${other}`, patch);
      }
      expect(await managersOf(client.get<Managed>(path))).to.have.members(others);
      const weighed = scene.operator.patch<Managed>(`${path}?fieldManager=x0tta&dryRun=All`, weigh);
      // The API server keeps ten, and joins the oldest ones for it.
      expect(await managersOf(weighed)).to.have.members([
        'ancient-changes',
        ...others.slice(2),
        'x0tta',
      ]);
      // Of entries of the same second those that come first by name are the oldest.
      const refusal = await asOperator({
        kind: 'patch',
        resource,
        name: 'shared',
        patch: weigh,
        manager: 'yet-another',
      });
      expect(refusal).to.include(denial + messages.fields);
    });

    it(`judges the widest of ${resource} within its budget`, async () => {
      const { client } = cluster;
      await client.create(pathOf(scene.namespace, resource), widest(resource));
      const places = Array.from({ length: 256 }, (_, i) => ({ rule: i >> 4, backend: i & 15 }));
      const pathTo = ({ rule, backend }: (typeof places)[number]): string =>
        `/spec/rules/${rule}/backendRefs/${backend}`;
      const weighAll = places.map((place) => ({
        op: 'add',
        path: `${pathTo(place)}/weight`,
        value: 9,
      }));
      const rename = { op: 'add', path: `${pathTo({ rule: 15, backend: 15 })}/name`, value: 'a' };
      const patched = (patch: readonly object[]): Promise<string> =>
        asOperator({ kind: 'patch', resource, name: 'widest', patch });
      expect(await patched(weighAll)).to.equal('');
      expect(await patched([...weighAll, rename])).to.include(
        `${denial}of a route the operator writes the weights of its own services alone`,
      );
    });
  }

  describe('where a webhook stamps what changes', () => {
    let stamping: Stamping;

    before(async () => {
      stamping = await openStamping(cluster, scene.namespace);
    });

    after(async () => {
      await stamping.close();
    });

    const asListing = (write: Write): Promise<string> =>
      refusalOf(stamping.operator, scene.namespace, write);

    for (const { what, write, message } of stampedWrites) {
      it(`lets the operator ${what} once the stamped keys are listed`, async () => {
        expect(await asOperator(write), 'not listed').to.include(denial + message);
        expect(await asListing(write), 'listed').to.equal('');
      });
    }

    for (const { what, write, message } of stampedRefusals) {
      it(`does not let the operator ${what} even so`, async () => {
        expect(await asListing(write)).to.include(stamping.denial + message);
      });
    }
  });
});

async function managersOf(object: Promise<Managed>): Promise<readonly string[]> {
  return (await object).metadata.managedFields.map(({ manager }) => manager);
}

/** As many rules and backends as the Gateway API allows, each with a name as long as may be. */
function widest(resource: RouteResource): object {
  const { spec, ...rest } = route(resource) as ReturnType<typeof route> & {
    readonly spec: { readonly rules: readonly object[] };
  };
  const [rule] = spec.rules;
  const numbers = Array.from({ length: 16 }, (_, i) => i);
  const rules = numbers.map((i) => ({
    ...rule,
    backendRefs: numbers.map((j) => ({
      name: `s${i}-${j}-stable`.padStart(63, 's'),
      namespace: 'n'.repeat(63),
      port: 80,
    })),
  }));
  return { ...rest, metadata: { name: 'widest' }, spec: { ...spec, rules } };
}
