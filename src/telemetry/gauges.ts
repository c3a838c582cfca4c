// Gauges whose values are asked for at each scrape. What is no longer told of is gone from the next
// one.
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Level } from '../api/schema.ts';

/** A canary on its way, as it is at a scrape. */
export interface CanaryMetrics {
  readonly namespace: string;
  readonly name: string;
  /** Percent of the traffic that it gets. */
  readonly weight: number;
  readonly signals: readonly {
    readonly name: string;
    readonly level: Level;
    /** In the base unit of the signal; null while unknown. */
    readonly value: number | null;
  }[];
}

const LEVELS: Readonly<Record<Level, number>> = {
  Unknown: -1,
  Normal: 0,
  Warning: 1,
  Critical: 2,
  Breach: 3,
};

/** A gauge with one label, by whose values the numbers are. */
export function addGauge(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  read: () => Readonly<Record<string, number>>,
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      gauge.reset();
      for (const [value, number] of Object.entries(read())) gauge.set({ [label]: value }, number);
    },
  });
}

/** A gauge without a label. */
export function addNumber(
  registry: Registry,
  name: string,
  help: string,
  read: () => number,
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    registers: [registry],
    collect: () => gauge.set(read()),
  });
}

/** A gauge that is 1 for good, for what its labels say. */
export function addInfo(
  registry: Registry,
  name: string,
  help: string,
  labels: Readonly<Record<string, string>>,
): void {
  const labelNames = Object.keys(labels);
  new Gauge({ name, help, labelNames, registers: [registry] }).set({ ...labels }, 1);
}

/** The first that is asked at a scrape fills all three, so that the fleet is read once. */
export function addCanaries(registry: Registry, read: () => readonly CanaryMetrics[]): void {
  const registers = [registry];
  const ofSignal = ['namespace', 'name', 'signal'];
  const value: Gauge = new Gauge({
    name: 'x0tta_signal_value',
    help: "Value of a canary's signal in its base unit.",
    labelNames: ofSignal,
    registers,
    collect: () => fill(),
  });
  const level = new Gauge({
    name: 'x0tta_signal_level',
    help: "Level of a canary's signal: -1 unknown, 0 normal, 1 warning, 2 critical, 3 breach.",
    labelNames: ofSignal,
    registers,
  });
  const weight = new Gauge({
    name: 'x0tta_canary_weight_ratio',
    help: 'Share of the traffic that a canary gets, 0 to 1.',
    labelNames: ['namespace', 'name'],
    registers,
  });
  const fill = (): void => {
    for (const gauge of [value, level, weight]) gauge.reset();
    for (const { namespace, name, weight: percent, signals } of read()) {
      weight.set({ namespace, name }, percent / 100);
      for (const signal of signals) {
        const labels = { namespace, name, signal: signal.name };
        level.set(labels, LEVELS[signal.level]);
        if (signal.value !== null) value.set(labels, signal.value);
      }
    }
  };
}
