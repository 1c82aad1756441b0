/** A durable scope over one record in memory, with the clock that a test turns. */
import { createScope, type Scope, type ScopeOptions } from "../../src/runtime/scope.ts";
import { simulatedClock, type SimulatedClock } from "../../src/testing/clock.ts";
import { tableBridge, type TableBridge } from "./table-bridge.ts";

/** Its state. */
export interface Bag {
  n: number;
}

/** The scope, and what a test steers. */
export interface Bench {
  readonly scope: Scope<Bag>;
  readonly bridge: TableBridge<Bag>;
  readonly clock: SimulatedClock;
}

/** Makes the scope. */
export function durable(options: Partial<ScopeOptions<Bag>> = {}): Bench {
  const bridge = tableBridge<Bag>();
  const clock = simulatedClock();
  const scope = createScope<Bag>({ initial: { n: 0 }, persist: bridge, clock, ...options });
  return { scope, bridge, clock };
}
