// In which order the operator ends: first no further write leaves, then the lease goes back, so
// that the next leader begins, then what was done is told, then the rest. It ends nothing itself.
import type { ClusterWatch } from '../kube/cluster.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { Election } from '../kube/lease.ts';
import type { KubeTransport } from '../kube/transport.ts';
import type { WriteGate } from '../kube/writeGate.ts';
import type { Cancel } from '../runtime/clock.ts';
import type { StopStep } from '../runtime/shutdown.ts';
import type { WorkQueue } from '../runtime/workQueue.ts';
import type { Poller } from '../sources/poller.ts';
import type { Listener } from '../telemetry/listener.ts';

/** What is stopped. */
export interface Stoppable {
  /** Aborted first of all. */
  readonly stopping: Pick<AbortController, 'abort'>;
  readonly queue: Pick<WorkQueue, 'shutdown'>;
  readonly gate: Pick<WriteGate, 'close'>;
  readonly election: Pick<Election, 'stop'>;
  readonly recorder: Pick<EventRecorder, 'stop'>;
  readonly poller: Pick<Poller, 'stop'>;
  readonly watch: Pick<ClusterWatch, 'stop'>;
  readonly listeners: readonly Pick<Listener, 'close'>[];
  readonly transport: Pick<KubeTransport, 'close'>;
  readonly stopGiving: Cancel;
}

/** For writes that have left, and then for Events that wait. */
const lastWordMs = 1_000;
/** For passes under way, which read at most: nothing of theirs is written any more. */
const lastPassMs = 2_000;

export function stopSteps(parts: Stoppable): readonly StopStep[] {
  const { stopping, queue, gate, election, recorder, poller, watch, transport } = parts;
  const begin = async (): Promise<void> => {
    stopping.abort();
    // No pass begins any more; those under way are waited for later.
    void queue.shutdown();
  };
  return [
    { name: 'work', stop: begin },
    { name: 'writes', stop: () => gate.close(), boundMs: lastWordMs },
    { name: 'lease', stop: () => election.stop() },
    { name: 'events', stop: () => recorder.stop(), boundMs: lastWordMs },
    { name: 'queue', stop: () => queue.shutdown(), boundMs: lastPassMs },
    { name: 'poller', stop: () => poller.stop() },
    { name: 'watches', stop: () => watch.stop() },
    ...parts.listeners.map((one) => ({ name: 'listener', stop: () => one.close() })),
    { name: 'transport', stop: () => transport.close() },
    { name: 'memory', stop: async () => parts.stopGiving() },
  ];
}
