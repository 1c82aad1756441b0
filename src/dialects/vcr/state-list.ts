/** The methods of a state on lists of JSON values. */
import type { Command } from "./command.ts";
import { encodeValue, numberText } from "./encode.ts";
import { MapState } from "./state-map.ts";

/** Lists of JSON values. */
export class ListState extends MapState {
  /** Adds a value at the end of a list; resolves to the list's length. */
  listAppend<T>(list: string, value: T): Promise<string> {
    const make = () => ({ name: "RPUSH", args: [encodeValue(value)] }) as const;
    return this.caller.text("listAppend", list, make);
  }

  /** Adds a value at the start of a list; resolves to the list's length. */
  listPrepend<T>(list: string, value: T): Promise<string> {
    const make = () => ({ name: "LPUSH", args: [encodeValue(value)] }) as const;
    return this.caller.text("listPrepend", list, make);
  }

  /** Removes and returns values from the end, the last one first; `[]` when there are none. */
  listEndPop<T = unknown>(list: string, count = 1): Promise<T[]> {
    return this.#values("listEndPop", list, { name: "RPOP", args: [numberText(count)] });
  }

  /** Removes and returns values from the start; `[]` when there are none. */
  listStartPop<T = unknown>(list: string, count = 1): Promise<T[]> {
    return this.#values("listStartPop", list, { name: "LPOP", args: [numberText(count)] });
  }

  /**
   * Removes values equal to `value`: all, or the first `count`, or the last when `count` is
   * negative. Resolves to their number.
   */
  listRemove<T>(list: string, value: T, count = 0): Promise<string> {
    const { deep } = this.caller;
    const make = () =>
      ({ name: "LREM", args: [numberText(count), encodeValue(value)], deep }) as const;
    return this.caller.text("listRemove", list, make);
  }

  /** Keeps the values between two indexes, both included, and removes the others. */
  listTrim(list: string, start: number, end: number): Promise<"OK"> {
    const make = () => ({ name: "LTRIM", args: [numberText(start), numberText(end)] }) as const;
    // The only possible reply.
    return this.caller.text("listTrim", list, make) as Promise<"OK">;
  }

  /**
   * Inserts before or after the first value equal to `pivot`. Resolves to the length, `"-1"`
   * without such a value, `"0"` without a list.
   */
  listInsert<T, P = T>(list: string, before: boolean, pivot: P, value: T): Promise<string> {
    const { deep } = this.caller;
    const side = before ? "BEFORE" : "AFTER";
    const make = () =>
      ({ name: "LINSERT", args: [side, encodeValue(pivot), encodeValue(value)], deep }) as const;
    return this.caller.text("listInsert", list, make);
  }

  /** The value at an index, negative ones from the end; null when there is none. */
  async listIndex<T = unknown>(list: string, position: number): Promise<T | null> {
    const make = () => ({ name: "LINDEX", args: [numberText(position)] }) as const;
    const text = await this.caller.textOrNull("listIndex", list, make);
    return this.decode<T>("listIndex", list, text);
  }

  /** Replaces the value at an index; rejects with `OUT_OF_RANGE` or `NO_SUCH_KEY` without one. */
  listSet<T>(list: string, position: number, value: T): Promise<"OK"> {
    const make = () =>
      ({ name: "LSET", args: [numberText(position), encodeValue(value)] }) as const;
    // The only possible reply.
    return this.caller.text("listSet", list, make) as Promise<"OK">;
  }

  /** The number of values in a list. */
  listLength(list: string): Promise<string> {
    return this.caller.text("listLength", list, () => ({ name: "LLEN", args: [] }));
  }

  /** The values between two indexes, both included; default all. */
  listRange<T = unknown>(list: string, start = 0, end = -1): Promise<T[]> {
    return this.#values("listRange", list, {
      name: "LRANGE",
      args: [numberText(start), numberText(end)],
    });
  }

  async #values<T>(op: string, key: string, command: Command): Promise<T[]> {
    const texts = await this.caller.list(op, key, () => command);
    // A list contains only texts, and the caller names the type of their values.
    return texts.map((text) => this.decode<T>(op, key, text) as T);
  }
}
