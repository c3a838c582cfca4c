// The store: what wins over what, indexes, freezing, and what listeners hear.
import { expect } from 'chai';
import fc from 'fast-check';
import type { KubeObject } from '../../src/kube/port.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import { ownerUids, Store, type StoreChange } from '../../src/kube/store.ts';

interface Thing extends KubeObject {
  readonly spec?: { readonly n: number };
  readonly status?: object;
}

function thing(name: string, version: number, uid = `uid-${name}`, owner?: string): Thing {
  const base = { name, namespace: 'ns', uid, resourceVersion: String(version) };
  if (owner === undefined) return { metadata: base };
  const reference = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner };
  return { metadata: { ...base, ownerReferences: [reference] } };
}

function setUp() {
  const errors: unknown[] = [];
  const store = new Store<Thing, 'owner'>({
    keep: (object) => {
      const { status: _, ...kept } = object;
      return kept;
    },
    strings: new SharedStrings(),
    indexers: { owner: ownerUids },
    onListenerError: (error) => errors.push(error),
  });
  const heard: string[] = [];
  const version = (object: Thing | undefined): string => object?.metadata.resourceVersion ?? '-';
  store.subscribe((change: StoreChange<Thing>) => {
    heard.push(`${change.key} ${version(change.old)}>${version(change.current)}`);
  });
  const versionOf = (name: string): string => version(store.get(`ns/${name}`));
  return { store, heard, errors, versionOf };
}

describe('store', () => {
  it('keeps what it is given, whatever texts its objects have in common', () => {
    const values = fc.letrec((tie) => ({
      value: fc.oneof(
        fc.string(),
        fc.constantFrom('a', 'x'.repeat(200), '__proto__'),
        fc.integer(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(
          fc.string().filter((name) => name !== '__proto__'),
          tie('value'),
          { maxKeys: 3 },
        ),
      ),
    })).value;
    fc.assert(
      fc.property(fc.array(values, { maxLength: 5 }), (specs) => {
        const { store } = setUp();
        const objects = specs.map((spec, i) => ({ ...thing(`t${i}`, i + 1), spec }));
        const copies = structuredClone(objects) as unknown[];
        store.replace(objects as unknown as Thing[], '100');
        const kept = store.list().toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
        expect(kept).to.deep.equal(copies);
        expect(kept.every((object) => Object.isFrozen(object.metadata))).to.equal(true);
      }),
    );
  });

  it('never steps behind an own write', () => {
    const { store, versionOf, heard } = setUp();
    store.replace([thing('a', 5)], '7');
    store.applyOwnWrite(thing('a', 10));
    store.applyEvent(thing('a', 8));
    expect(versionOf('a')).to.equal('10');
    store.applyEvent(thing('a', 10));
    store.applyEvent(thing('a', 11));
    store.applyOwnWrite(thing('a', 9));
    expect(versionOf('a')).to.equal('11');
    expect(heard).to.deep.equal(['ns/a ->5', 'ns/a 5>10', 'ns/a 10>11']);
  });

  it('compares versions as numbers of any length', () => {
    const { store, versionOf } = setUp();
    store.applyEvent(thing('a', 9));
    store.applyEvent(thing('a', 10));
    expect(versionOf('a')).to.equal('10');
    const metadata = { name: 'a', namespace: 'ns', uid: 'uid-a' };
    for (const resourceVersion of ['90071992547409931', '90071992547409930']) {
      store.applyEvent({ metadata: { ...metadata, resourceVersion } });
    }
    expect(versionOf('a')).to.equal('90071992547409931');
    expect(() => store.applyEvent({ metadata: { ...metadata, resourceVersion: 'x1' } })).to.throw(
      'resourceVersion "x1" is no number',
    );
  });

  it('lets a deletion win over every state of the same object', () => {
    const { store, versionOf, heard } = setUp();
    store.applyEvent(thing('a', 5));
    store.applyOwnWrite(thing('a', 10));
    store.applyDeletion(thing('a', 11));
    expect(versionOf('a')).to.equal('-');
    expect(heard.at(-1)).to.equal('ns/a 10>-');
    // A watch with a selector says DELETED of what another writer took out before our write.
    store.applyOwnWrite(thing('a', 20));
    store.applyDeletion(thing('a', 15));
    expect(versionOf('a')).to.equal('-');
  });

  it('does not bring back by an own write what was deleted before the answer came', () => {
    const { store, versionOf } = setUp();
    store.replace([thing('a', 5)], '5');
    store.applyEvent(thing('a', 10));
    store.applyDeletion(thing('a', 11));
    store.applyOwnWrite(thing('a', 10));
    expect(versionOf('a')).to.equal('-');
    store.applyOwnWrite(thing('b', 12));
    expect(versionOf('b')).to.equal('12');
    store.applyBookmark('20');
    store.applyOwnWrite(thing('c', 13));
    expect(versionOf('c')).to.equal('-');
  });

  it('does not let the end of the object before touch the one under its name now', () => {
    const { store, versionOf } = setUp();
    store.applyEvent(thing('a', 5, 'first'));
    store.applyOwnWrite(thing('a', 10, 'second'));
    store.applyDeletion(thing('a', 8, 'first'));
    expect(versionOf('a')).to.equal('10');
    store.applyDeletion(thing('a', 12, 'second'));
    expect(versionOf('a')).to.equal('-');
  });

  it('swaps in a list and tells the difference only', () => {
    const { store, heard } = setUp();
    store.replace([thing('a', 1), thing('b', 2), thing('c', 3)], '3');
    heard.length = 0;
    const sizes: number[] = [];
    store.subscribe(() => sizes.push(store.size));
    store.replace([thing('a', 1), thing('b', 5), thing('d', 6)], '7');
    expect(heard).to.deep.equal(['ns/b 2>5', 'ns/d ->6', 'ns/c 3>-']);
    expect(sizes, 'the swap is whole before anyone hears of it').to.deep.equal([3, 3, 3]);
  });

  it('keeps own writes that are newer than a list', () => {
    const { store, versionOf, heard } = setUp();
    store.replace([thing('a', 1)], '5');
    store.applyOwnWrite(thing('a', 20));
    store.applyOwnWrite(thing('new', 21));
    heard.length = 0;
    store.replace([thing('a', 1)], '10');
    expect([versionOf('a'), versionOf('new')]).to.deep.equal(['20', '21']);
    expect(heard).to.deep.equal([]);
    store.replace([], '30');
    expect(store.size).to.equal(0);
  });

  it('takes the list as it is when the history of the server was put back', () => {
    const { store, versionOf } = setUp();
    store.replace([thing('a', 90), thing('b', 91)], '100');
    store.applyOwnWrite(thing('b', 120));
    store.replace([thing('a', 40)], '50');
    expect([versionOf('a'), versionOf('b')]).to.deep.equal(['40', '-']);
    store.applyEvent(thing('b', 51));
    expect(versionOf('b')).to.equal('51');
  });

  it('finds objects by their owners, also after they changed', () => {
    const { store } = setUp();
    const names = (owner: string): string[] =>
      store.byIndex('owner', owner).map((object) => object.metadata.name);
    store.replace([thing('a', 1, 'a', 'x'), thing('b', 2, 'b', 'x'), thing('c', 3)], '3');
    expect(names('x')).to.deep.equal(['a', 'b']);
    store.applyEvent(thing('a', 5, 'a', 'y'));
    store.applyDeletion(thing('b', 6, 'b', 'x'));
    expect(names('x')).to.deep.equal([]);
    expect(names('y')).to.deep.equal(['a']);
  });

  it('freezes what it holds, and holds what is to be kept', () => {
    const { store } = setUp();
    const metadata = { ...thing('a', 1).metadata, labels: { x: 'y' } };
    const given = { metadata, spec: { n: 1 }, status: {} };
    store.applyEvent(given);
    const held = store.get('ns/a');
    expect(held).to.deep.equal({ metadata, spec: { n: 1 } });
    for (const part of [held, held?.metadata, held?.metadata.labels, held?.spec]) {
      expect(part).to.be.frozen;
    }
    expect(given, "the caller's own object is whole").to.have.property('status');
  });

  it('calls the other listeners when one throws, and none that has left', () => {
    const { store, errors } = setUp();
    const thrown = new Error('bad listener');
    store.subscribe(() => {
      throw thrown;
    });
    let calls = 0;
    const leave = store.subscribe(() => calls++);
    store.applyEvent(thing('a', 1));
    leave();
    store.applyEvent(thing('a', 2));
    expect(calls).to.equal(1);
    expect(errors).to.deep.equal([thrown, thrown]);
  });

  it('ends equal to the server and never older than an own write, however late answers are', () => {
    const write = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      deletes: fc.boolean(),
      /** Ours: its answer comes when so many events more of the watch have been seen. */
      answerAfter: fc.option(fc.integer({ min: -5, max: 5 })),
    });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), (writes) => {
        const { store, versionOf } = setUp();
        store.replace([], '0');
        const live = new Map<string, Thing>();
        const deliveries: { readonly at: number; readonly deliver: () => void }[] = [];
        writes.forEach(({ name, deletes, answerAfter }, index) => {
          const version = index + 1;
          const before = live.get(name);
          if (deletes && before === undefined) return;
          const uid = before?.metadata.uid ?? `${name}-${version}`;
          const object = thing(name, version, uid);
          if (deletes) live.delete(name);
          else live.set(name, object);
          deliveries.push({
            at: index,
            deliver: () => (deletes ? store.applyDeletion(object) : store.applyEvent(object)),
          });
          if (deletes || answerAfter === null) return;
          deliveries.push({
            at: index + answerAfter + 0.5,
            deliver: () => {
              store.applyOwnWrite(object);
              const seen = versionOf(name);
              if (seen !== '-') expect(Number(seen)).to.be.at.least(version);
            },
          });
        });
        deliveries.sort((a, b) => a.at - b.at);
        for (const { deliver } of deliveries) deliver();
        for (const name of ['a', 'b', 'c']) {
          expect(versionOf(name)).to.equal(live.get(name)?.metadata.resourceVersion ?? '-');
        }
      }),
      { numRuns: 500 },
    );
  });
});
