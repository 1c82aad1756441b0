/**
 * The effects of one try of a step: values of `runOnce`, and transactions over scopes.
 *
 * Invariants
 *  X1  An effect begins only when every boundary before it is stored.
 *  X2  The value of a `runOnce` is stored before it is returned (Q3 of `steps.ts`).
 *  X3  The n-th transaction of a step has a key of its own, the same one in each try, which the
 *      scopes keep in the commit that changes them. So it takes effect once, also when the process
 *      ended before the record had its result. In the record it is stored with the next write: the
 *      scopes forget old keys, and a step may begin again long after.
 *  X4  The work of a `runOnce` makes no transaction: the next try may not run that work, and the
 *      transactions after it would have other numbers.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { ScopeStoppedError } from "../../../actors/errors.ts";
import type { MutationOptions } from "../../../actors/protocol.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import type { TransactOptions } from "./context.ts";
import type { RunPort } from "./run-port.ts";
import { createHash } from "../../stores/shared/node-crypto.ts";

/** The effects in whose work the running code is. */
const effectsOf = new AsyncLocalStorage<StepEffects>();

const OPTIONS = optionNames<TransactOptions>({ signal: true, timeoutMs: true, meta: true });

/** What the effects use of their try. */
export interface EffectsTry {
  /** The name of the step. */
  readonly name: string;
  /** True when the try has ended. */
  readonly ended: boolean;
  readonly signal: AbortSignal;
}

/** The effects of one try; see the head of this file. */
export class StepEffects {
  readonly #port: RunPort;
  readonly #try: EffectsTry;
  /** The values under way, by key, and the transactions, by number. */
  readonly #running = new Map<string | number, Promise<unknown>>();
  #transactions = 0;

  constructor(port: RunPort, of: EffectsTry) {
    this.#port = port;
    this.#try = of;
  }

  /** True in the work of a `runOnce` of this try. */
  get inside(): boolean {
    return effectsOf.getStore() === this;
  }

  /** Resolves when no effect is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
  }

  /** The value of a key, stored or new. */
  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T> {
    if (typeof key !== "string") return Promise.reject(new TypeError("runOnce needs a key"));
    const kept = this.#kept();
    // A recorded value comes from this key's function; the caller declares its type.
    if (Object.hasOwn(kept, key)) return Promise.resolve(kept[key] as T);
    const running = this.#running.get(key) ?? this.#keep(key, () => this.#doOnce(key, work));
    return running as Promise<T>; // As above.
  }

  /** The result of the next transaction, stored or new. */
  transact(
    scopes: readonly unknown[],
    recipe: unknown,
    options: TransactOptions = {},
  ): Promise<unknown> {
    const n = this.#transactions;
    this.#transactions += 1;
    const stored = this.#port.record.transacted.find((each) => each.n === n);
    if (stored !== undefined) return Promise.resolve(stored.result);
    return this.#keep(n, () => this.#transact(n, { scopes, recipe, options }));
  }

  #keep(key: string | number, work: () => Promise<unknown>): Promise<unknown> {
    const running = work().finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  async #doOnce<T>(key: string, work: () => T | Promise<T>): Promise<T> {
    await this.#port.flush();
    const value = copyIn(await effectsOf.run(this, work), `runOnce ${key}`, { depth: 2 });
    if (this.#try.ended) throw new Error("this try of the step has ended; its value is not kept");
    this.#port.check();
    const { effects } = this.#port.record;
    // A computed name makes an own field, whatever it is (V3 of `copy.ts`).
    const kept = { ...this.#kept(), [key]: value };
    this.#port.write({ effects: { ...effects, [this.#try.name]: kept }, starts: 0 });
    await this.#port.flush();
    return value;
  }

  async #transact(
    n: number,
    given: {
      readonly scopes: readonly unknown[];
      readonly recipe: unknown;
      readonly options: TransactOptions;
    },
  ): Promise<unknown> {
    const { scopes, recipe, options } = given;
    refuseUnknown("transact of a step", options, OPTIONS);
    const { runId } = this.#port.record;
    if (this.#try.ended) throw new ScopeStoppedError({ scope: { type: "sequencer", id: runId } });
    await this.#port.flush();
    const { name, signal } = this.#try;
    const signals =
      options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]);
    const all: MutationOptions = { ...options, signal: signals, once: keyOf(runId, name, n) };
    const result = await this.#port.transact(scopes, recipe, all);
    this.#port.check();
    if (this.#try.ended) return result;
    const { transacted } = this.#port.record;
    const kept = Object.freeze({ n, result: copyIn(result, "result of transact", { depth: 2 }) });
    this.#port.write({ transacted: Object.freeze([...transacted, kept]), starts: 0 });
    return result;
  }

  /** The `runOnce` values of this step. */
  #kept(): Readonly<Record<string, unknown>> {
    const { effects } = this.#port.record;
    const { name } = this.#try;
    return Object.hasOwn(effects, name) ? (effects[name] ?? {}) : {};
  }
}

/** The `once` key of the n-th transaction of a step: names of any length in 43 characters. */
function keyOf(runId: string, step: string, n: number): string {
  return createHash("sha256")
    .update(JSON.stringify([runId, step, n]))
    .digest("base64url");
}
