// A store that one reflector of each namespace feeds: what a list, a bookmark or an event of one
// namespace says about the objects of another, which is nothing.
import { expect } from 'chai';
import fc from 'fast-check';
import type { KubeObject } from '../../src/kube/port.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import { Store } from '../../src/kube/store.ts';

function thing(namespace: string, name: string, version: number, uid = name): KubeObject {
  return { metadata: { name, namespace, uid, resourceVersion: String(version) } };
}

function setUp() {
  const store = new Store<KubeObject>({
    keep: (object) => object,
    strings: new SharedStrings(),
    onListenerError: (error) => {
      throw error;
    },
  });
  const heard: string[] = [];
  const version = (object: KubeObject | undefined): string =>
    object?.metadata.resourceVersion ?? '-';
  store.subscribe(({ key, old, current }) => {
    heard.push(`${key} ${version(old)}>${version(current)}`);
  });
  return { store, heard, versionOf: (key: string): string => version(store.get(key)) };
}

describe('a store of several namespaces', () => {
  it("swaps in one namespace's list and leaves the others' objects alone", () => {
    const { store, heard } = setUp();
    store.replace([thing('a', 'x', 3), thing('a', 'y', 4)], '10', 'a');
    store.replace([thing('b', 'x', 5)], '20', 'b');
    heard.length = 0;
    store.replace([thing('a', 'x', 12)], '30', 'a');
    expect(heard).to.deep.equal(['a/x 3>12', 'a/y 4>-']);
    store.replace([], '40', 'b');
    expect(store.list().map(({ metadata }) => metadata.namespace)).to.deep.equal(['a']);
  });

  it('takes a late list of one for no history that was put back', () => {
    const { store, versionOf } = setUp();
    store.replace([thing('a', 'x', 90)], '100', 'a');
    store.replace([thing('b', 'x', 40)], '50', 'b');
    store.applyOwnWrite(thing('b', 'x', 110));
    store.replace([thing('b', 'x', 40)], '60', 'b');
    expect([versionOf('a/x'), versionOf('b/x')]).to.deep.equal(['90', '110']);
  });

  it('takes the list as it is where the history of its namespace was put back', () => {
    const { store, versionOf } = setUp();
    store.replace([thing('a', 'x', 90)], '100', 'a');
    store.replace([thing('b', 'x', 91)], '100', 'b');
    store.replace([thing('a', 'x', 40)], '50', 'a');
    expect([versionOf('a/x'), versionOf('b/x')]).to.deep.equal(['40', '91']);
  });

  it('takes an own write that the watch of its namespace has not reached', () => {
    const { store, versionOf } = setUp();
    store.replace([], '10', 'a');
    store.replace([], '10', 'b');
    store.applyEvent(thing('a', 'x', 20));
    store.applyDeletion(thing('a', 'x', 30));
    store.applyBookmark('40', 'a');
    store.applyOwnWrite(thing('b', 'new', 15));
    expect(versionOf('b/new')).to.equal('15');
    store.applyOwnWrite(thing('a', 'new', 40));
    expect(versionOf('a/new'), 'deleted since').to.equal('-');
  });

  it('ends equal to the server and never older than an own write, however far apart', () => {
    const write = fc.record({
      namespace: fc.constantFrom('a', 'b'),
      name: fc.constantFrom('x', 'y'),
      deletes: fc.boolean(),
      isOurs: fc.boolean(),
    });
    /** Which watch brings its next event, or lists anew. */
    const turn = fc.record({ namespace: fc.constantFrom('a', 'b'), lists: fc.boolean() });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 30 }), fc.array(turn), (writes, turns) => {
        const { store, versionOf } = setUp();
        const watches = { a: new Watch('a', store), b: new Watch('b', store) };
        let version = 0;
        for (const [i, { namespace, name, deletes, isOurs }] of writes.entries()) {
          const watched = watches[namespace];
          const object = watched.write(name, ++version, deletes);
          if (object !== null && isOurs && !deletes) {
            store.applyOwnWrite(object);
            expect(versionOf(`${namespace}/${name}`)).to.equal(String(version));
          }
          const next = turns[i];
          if (next !== undefined) watches[next.namespace].turn(next.lists, version);
        }
        for (const watched of Object.values(watches)) watched.catchUp();
        const live = Object.values(watches).flatMap((watched) => [...watched.live.values()]);
        expect(store.list()).to.have.deep.members(live);
      }),
    );
  });
});

/** One namespace of a server, and what its watch has yet to bring. */
class Watch {
  readonly live = new Map<string, KubeObject>();
  readonly #namespace: string;
  readonly #store: Store<KubeObject>;
  #events: (() => void)[] = [];

  constructor(namespace: string, store: Store<KubeObject>) {
    this.#namespace = namespace;
    this.#store = store;
    store.replace([], '0', namespace);
  }

  /** Null where there was nothing to delete. */
  write(name: string, version: number, deletes: boolean): KubeObject | null {
    const before = this.live.get(name);
    if (deletes && before === undefined) return null;
    const uid = before?.metadata.uid ?? `${name}-${version}`;
    const object = thing(this.#namespace, name, version, uid);
    if (deletes) this.live.delete(name);
    else this.live.set(name, object);
    const store = this.#store;
    this.#events.push(() => (deletes ? store.applyDeletion(object) : store.applyEvent(object)));
    return object;
  }

  turn(lists: boolean, version: number): void {
    if (!lists) return this.#events.shift()?.();
    this.#events = [];
    this.#store.replace([...this.live.values()], String(version), this.#namespace);
  }

  catchUp(): void {
    for (const event of this.#events) event();
  }
}
