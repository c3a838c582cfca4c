// The heap of delays against a plain sorted list.
import { expect } from 'chai';
import fc from 'fast-check';
import { DelayHeap } from '../../src/runtime/delayHeap.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j');
const step = fc.oneof(
  fc.record({
    type: fc.constant('set' as const),
    key,
    dueMs: fc.integer({ min: 0, max: 20 }),
  }),
  fc.record({ type: fc.constant('delete' as const), key }),
  fc.record({ type: fc.constant('pop' as const) }),
);

describe('delay heap', () => {
  it('agrees with a sorted list', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new DelayHeap();
        let model: { key: string; dueMs: number; sequence: number }[] = [];
        let sequence = 0;
        for (const one of steps) {
          if (one.type === 'set') {
            heap.set(one.key, one.dueMs);
            model = model.filter((item) => item.key !== one.key);
            model.push({ key: one.key, dueMs: one.dueMs, sequence: sequence++ });
            model.sort((a, b) => a.dueMs - b.dueMs || a.sequence - b.sequence);
          } else {
            const key = one.type === 'delete' ? one.key : heap.peek()?.key;
            const present = model.some((item) => item.key === key);
            if (key !== undefined) expect(heap.delete(key)).to.equal(present);
            model = model.filter((item) => item.key !== key);
          }
          expect(heap.size).to.equal(model.length);
          expect(heap.peek()?.key).to.equal(model[0]?.key);
          expect(heap.peek()?.dueMs).to.equal(model[0]?.dueMs);
        }
      }),
    );
  });
});
