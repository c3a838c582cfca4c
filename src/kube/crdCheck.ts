// Whether the API server has the CRD with all that this operator writes. It looks until that is so,
// and never again; what is missing is said once, and ends nothing.
import { rootSchema } from '../api/crd.ts';
import { GROUP, KIND, PLURAL, VERSION } from '../api/names.ts';
import type { Log } from '../runtime/log.ts';
import { lookAgain, type Patience } from '../runtime/lookAgain.ts';
import { childOf, missingFields, schemaOfKind } from './crdSchema.ts';
import { isNotFound } from './errors.ts';
import type { KubeClient } from './transport.ts';

export type CrdState =
  /** Not looked at, or the look failed. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'notInstalled' }
  /** Paths of fields, and values of enums, that this operator writes. */
  | { readonly kind: 'lacking'; readonly fields: readonly string[] }
  | { readonly kind: 'whole' };

export interface CrdCheckOptions extends Patience {
  readonly client: Pick<KubeClient, 'request'>;
  readonly log: Log;
}

export interface CrdCheck {
  state(): CrdState;
  /** How many fields and values are missing; 0 also while that is not known. */
  missingCount(): number;
  /** What is wrong, in words; null when nothing is, as far as is known. */
  problem(): string | null;
  /** Resolves after the first look; the next ones go on behind. Call once. */
  start(): Promise<void>;
  /** Resolves when a look found the CRD, or could not tell, or the signal is aborted. */
  whenInstalled(): Promise<void>;
}

const crd = `${PLURAL}.${GROUP}`;
const remedy = 'apply the CRDs of this version';
const shownFields = 5;
const discovery = `/apis/${GROUP}/${VERSION}`;
/** Every authenticated account may read it (ClusterRole system:discovery). */
const openApi = `/openapi/v3${discovery}`;

export function createCrdCheck(options: CrdCheckOptions): CrdCheck {
  return new Checker(options);
}

class Checker implements CrdCheck {
  readonly #options: CrdCheckOptions;
  readonly #installed = Promise.withResolvers<void>();
  #state: CrdState = { kind: 'unknown' };
  #said: string | null = null;

  constructor(options: CrdCheckOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#installed.resolve(), { once: true });
  }

  state(): CrdState {
    return this.#state;
  }

  missingCount(): number {
    if (this.#state.kind === 'notInstalled') return 1;
    return this.#state.kind === 'lacking' ? this.#state.fields.length : 0;
  }

  problem(): string | null {
    if (this.#state.kind === 'notInstalled') return `the CRD ${crd} is not installed`;
    if (this.#state.kind !== 'lacking') return null;
    const { fields } = this.#state;
    const more = fields.length > shownFields ? ', …' : '';
    const shown = fields.slice(0, shownFields).join(', ');
    return `the CRD ${crd} lacks ${fields.length} of what is written (${shown}${more})`;
  }

  async start(): Promise<void> {
    if (await this.#look()) return;
    void lookAgain(() => this.#look(), this.#options);
  }

  whenInstalled(): Promise<void> {
    return this.#installed.promise;
  }

  async #look(): Promise<boolean> {
    const { signal, log } = this.#options;
    try {
      this.#state = await this.#read();
    } catch (error) {
      if (signal.aborted) return true;
      // The last state is kept; the next poll tries again.
      log('debug', 'the served CRD could not be read', { error });
    }
    if (this.#state.kind !== 'notInstalled') this.#installed.resolve();
    this.#say();
    return this.#state.kind === 'whole';
  }

  async #read(): Promise<CrdState> {
    const served = schemaOfKind(await this.#get(openApi), {
      group: GROUP,
      version: VERSION,
      kind: KIND,
    });
    if (served !== undefined) {
      const { status } = rootSchema().properties ?? {};
      const fields =
        status === undefined ? [] : missingFields('status', status, childOf(served, 'status'));
      return fields.length === 0 ? { kind: 'whole' } : { kind: 'lacking', fields };
    }
    // A CRD is served about a second before its schema is published.
    return (await this.#isServed()) ? { kind: 'unknown' } : { kind: 'notInstalled' };
  }

  async #isServed(): Promise<boolean> {
    const list = (await this.#get(discovery)) as
      { readonly resources?: readonly { readonly kind: string }[] } | undefined;
    return list?.resources?.some(({ kind }) => kind === KIND) ?? false;
  }

  /** Undefined for what is not there. */
  async #get(path: string): Promise<unknown> {
    try {
      return await this.#options.client.request({ method: 'GET', path });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #say(): void {
    const { log } = this.#options;
    const problem = this.problem();
    if (problem === this.#said) return;
    if (problem !== null) log('warn', `${problem}: ${remedy}`, { crd, count: this.missingCount() });
    else if (this.#state.kind === 'whole') log('info', 'the CRD has all that is written', { crd });
    else return;
    this.#said = problem;
  }
}
