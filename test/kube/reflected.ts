// A reflector of pods with the real transport against a scripted HTTP server, on a fake clock, and
// what is heard of its store.
import { expect } from 'chai';
import type { KubeObject } from '../../src/kube/port.ts';
import { createReflector, type ReflectorOptions } from '../../src/kube/reflector.ts';
import { pods } from '../../src/kube/resources.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import { Store } from '../../src/kube/store.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { beginWatch, connectionTo, FakeServer, transportTo, type Received } from './fakeServer.ts';
import { until } from './until.ts';

export function pod(name: string, version: number): KubeObject {
  return {
    metadata: { name, namespace: 'n', uid: `uid-${name}`, resourceVersion: String(version) },
  };
}

export function bookmark(
  version: number,
  annotations: Readonly<Record<string, string>> = {},
): unknown {
  return { kind: 'Pod', metadata: { resourceVersion: String(version), annotations } };
}

interface More extends Partial<Pick<ReflectorOptions<KubeObject>, 'streamsLists' | 'log'>> {
  /** What the store keeps of an object that was read. */
  readonly keep?: (object: KubeObject) => KubeObject;
  readonly token?: () => Promise<string>;
}

export type Reflected = Awaited<ReturnType<typeof reflected>>;

/** A reflector that is to be started; without `streamsLists` it reads its lists in pages. */
export async function reflected({ keep = (object) => object, token, ...more }: More = {}) {
  const server = new FakeServer();
  await server.start();
  const clock = new FakeClock();
  const client = transportTo(server, clock, connectionTo(server, token));
  const failed: unknown[] = [];
  const store = new Store<KubeObject>({
    keep,
    strings: new SharedStrings(),
    onListenerError: (error) => void failed.push(error),
  });
  const heard: string[] = [];
  store.subscribe(({ key, old, current }) => {
    const version = (object?: KubeObject): string => object?.metadata.resourceVersion ?? '-';
    heard.push(`${key} ${version(old)}>${version(current)}`);
  });
  /** Also for another reflector of the same. */
  const options: ReflectorOptions<KubeObject> = {
    client,
    resource: pods,
    labelSelector: 'app=x',
    store,
    clock,
    streamsLists: false,
    random: () => 0.5,
    log: () => undefined,
    ...more,
  };
  const reflector = createReflector(options);
  return {
    server,
    clock,
    store,
    heard,
    options,
    reflector,

    /** The request for a watch from that version, whose answer begins. */
    takeWatch: async (version: number): Promise<Received> => {
      const received = await server.next();
      expect(received.query).to.include({ watch: 'true', resourceVersion: String(version) });
      expect(received.query).not.to.have.property('sendInitialEvents');
      beginWatch(received);
      return received;
    },

    /** Lets the back-off pass, once it has begun. */
    waitOut: async (): Promise<void> => {
      await until(() => reflector.state === 'waiting' && clock.pendingTimers > 0);
      await clock.advance(clock.nextTimerMs() ?? 0);
    },

    stop: async (): Promise<void> => {
      await reflector.stop();
      expect(reflector.state).to.equal('stopped');
      await client.close();
      await server.stop();
      expect(failed, 'exceptions of listeners').to.deep.equal([]);
      expect(clock.pendingTimers, 'timers left behind').to.equal(0);
    },
  };
}
