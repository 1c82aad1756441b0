/** A store of one record behind the seed's persist function, and promises cranked by hand. */
import type { CASMutationHint, CASPersist } from "../../../../src/flow-state.ts";

/** One record with a version, checked and written in one step after a tick of the loop. */
export class CasStore<S extends object> {
  state: S | undefined;
  version: number;
  /** How often persist was called, and what for. */
  readonly hints: CASMutationHint[] = [];
  /** The expected versions of the calls. */
  readonly expected: number[] = [];
  /** Waited for before each check. */
  delay: () => Promise<void> = () => new Promise((resolve) => void setImmediate(resolve));

  constructor(state: S | undefined, version = 0) {
    this.state = state;
    this.version = version;
  }

  get saves(): number {
    return this.hints.length;
  }

  readonly persist: CASPersist<S> = async (next, expectedVersion, hint) => {
    this.hints.push(hint);
    this.expected.push(expectedVersion);
    await this.delay();
    if (expectedVersion !== this.version)
      return { ok: false, currentState: this.state, currentVersion: this.version };
    this.write(next);
    return { ok: true, version: this.version };
  };

  /** What another process does. */
  write(state: S): void {
    this.state = structuredClone(state);
    this.version += 1;
  }
}

/** A promise and what settles it. */
export function crank<T = void>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Lets everything that can go on by itself go on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
