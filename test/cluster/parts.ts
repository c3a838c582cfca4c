// Collects what a cluster has started, so that it can be found by name and is ended in reverse
// order, also when a later step of the start fails.
import { startComponent } from './process.ts';
import type { Component, ComponentSpec } from './process.ts';

/** The started parts of one cluster. */
export interface Parts {
  /** Folder of the cluster. */
  readonly folder: string;
  /** Tells what is done now. */
  log(line: string): void;
  /** Starts a component that ends with the cluster. */
  start(spec: ComponentSpec): Component;
  /** A component started here. @throws Error naming those that there are. */
  component(name: string): Component;
  /** Calls `end` when the cluster stops, after the end of all that was started later. */
  onStop(end: () => Promise<void> | void): void;
  /** Ends everything; a second call does nothing. */
  stop(): Promise<void>;
}

/** No parts yet, for a cluster in `folder`. */
export function createParts(folder: string, log: (line: string) => void): Parts {
  const components = new Map<string, Component>();
  const ends: (() => Promise<void> | void)[] = [];
  return {
    folder,
    log,
    start: (spec) => {
      const component = startComponent(folder, spec);
      components.set(spec.name, component);
      // Nothing of a cluster is kept, so nothing is worth the seconds of an orderly shutdown.
      ends.push(() => component.stop('SIGKILL'));
      return component;
    },
    component: (name) => {
      const component = components.get(name);
      if (component !== undefined) return component;
      throw new Error(`no component ${name}; there are ${[...components.keys()].join(', ')}`);
    },
    onStop: (end) => void ends.push(end),
    stop: async () => {
      for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
    },
  };
}
