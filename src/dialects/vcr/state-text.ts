/** The methods of a state on texts and on keys of any type. */
import { whenDone } from "../../../actors/scope/mutation.ts";
import type { MutationOptions, MutationContext } from "../../../actors/protocol.ts";
import { Caller, withSource } from "./caller.ts";
import { checkName, decodeValue, encodeValue, numberText } from "./encode.ts";
import type { EXPIRE_OPTION } from "./enum.ts";
import type { Session } from "./session.ts";
import { expireArgs, setArgs, type SetOptions } from "./state-args.ts";

/** A number to add: a bigint or its digits where 53 bits are not enough. */
export type Whole = number | bigint | string;

/** Changes the value in place or returns the next one; receives `undefined` when there is none. */
export type UpdateRecipe<T> = (
  current: T | undefined,
  context: MutationContext,
) => T | void | Promise<T | void>;

/** Texts, and the operations for every key. */
export class TextState {
  /** The namespace given, or the name of the scope. */
  readonly namespace: string;
  /** @internal */
  protected readonly caller: Caller;

  constructor(session: Session, namespace: string | null = null) {
    try {
      const name = namespace === null ? "" : checkName(namespace, "a namespace");
      this.caller = new Caller(session, name);
      this.namespace = namespace ?? this.caller.label;
    } catch (error) {
      throw withSource(error, { op: "State", key: namespace ?? "" });
    }
  }

  /** Stores a value as JSON and replaces any content; only a given time to live applies. */
  set<T>(key: string, value: T, options?: SetOptions): Promise<"OK"> {
    const make = () => ({ name: "SET", args: [encodeValue(value), ...setArgs(options)] }) as const;
    // The only possible reply.
    return this.caller.text("set", key, make) as Promise<"OK">;
  }

  /** The value, a new object each time; null when there is none. */
  async get<T = unknown>(key: string): Promise<T | null> {
    const text = await this.caller.textOrNull("get", key, () => ({ name: "GET", args: [] }));
    return this.decode<T>("get", key, text === "" ? null : text);
  }

  /** Removes a key of any type: `"1"`, or `"0"` when there is none. */
  delete(key: string): Promise<string> {
    return this.caller.text("delete", key, () => ({ name: "DEL", args: [] }));
  }

  /** Adds, exactly, up to 64 bits; a missing key starts at 0. Resolves to the sum. */
  increment(key: string, value: Whole): Promise<string> {
    const make = () => ({ name: "INCRBY", args: [numberText(value)] }) as const;
    return this.caller.text("increment", key, make);
  }

  /** Subtracts, like `increment` adds. */
  decrement(key: string, value: Whole): Promise<string> {
    const make = () => ({ name: "DECRBY", args: [numberText(value)] }) as const;
    return this.caller.text("decrement", key, make);
  }

  /** Expires a key after some seconds; 0 and less expire it now. `"0"` when nothing was done. */
  expire(
    key: string,
    seconds: Whole,
    option?: EXPIRE_OPTION | Lowercase<EXPIRE_OPTION>,
  ): Promise<string> {
    const make = () => ({ name: "EXPIRE", args: expireArgs(seconds, option) }) as const;
    return this.caller.text("expire", key, make);
  }

  /**
   * Replaces the value by the result of `recipe`, without other writes in between, on other
   * machines neither; its time to live stays. Resolves to the new value. The recipe may run again
   * when another write was faster; its error rejects the call.
   */
  async update<T>(
    key: string,
    recipe: UpdateRecipe<T>,
    options?: MutationOptions,
  ): Promise<T | undefined> {
    const text = await this.caller.update(
      key,
      (before, context) => {
        // The caller names the type of the key's value.
        const current = before === undefined ? undefined : (decodeValue(before) as T);
        return whenDone(recipe(current, context), (next) => textOf(next, current));
      },
      options,
    );
    return text === undefined ? undefined : (decodeValue(text) as T);
  }

  /** Resolves to whether a key exists. */
  async exists(key: string): Promise<boolean> {
    return (await this.caller.text("exists", key, () => ({ name: "EXISTS", args: [] }))) === "1";
  }

  /** The remaining seconds of a key; −1 = no end, −2 = no key. */
  async ttl(key: string): Promise<number> {
    return Number(await this.caller.text("ttl", key, () => ({ name: "TTL", args: [] })));
  }

  /** All keys of this state, in order. */
  keys(): Promise<string[]> {
    return this.caller.space({ op: "keys", key: "" }, (backend, space) => backend.keys(space));
  }

  /** @internal The value of a stored text; null when there is none. */
  protected decode<T>(op: string, key: string, text: string | null): T | null {
    try {
      // The caller names the type of the key's value.
      return text === null ? null : (decodeValue(text) as T);
    } catch (error) {
      throw withSource(error, { op, key });
    }
  }
}

/** The text that an update stores: of the recipe's result, else of the value that it changed. */
function textOf(returned: unknown, current: unknown): string | undefined {
  const value = returned === undefined ? current : returned;
  return value === undefined ? undefined : encodeValue(value);
}
