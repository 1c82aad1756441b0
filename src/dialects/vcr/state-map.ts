/** The methods of a state on maps. */
import { checkName, checkNames, numberText } from "./encode.ts";
import { fieldArgs, scanArgs } from "./state-args.ts";
import { TextState, type Whole } from "./state-text.ts";

/** Maps of names to texts. */
export class MapState extends TextState {
  /** Sets fields of a map; numbers become texts. Resolves to the number of new fields. */
  mapSet(table: string, fields: Readonly<Record<string, unknown>>): Promise<string> {
    return this.caller.text("mapSet", table, () => ({ name: "HSET", args: fieldArgs(fields) }));
  }

  /** One field; null when it does not exist. */
  mapGetValue(table: string, key: string): Promise<string | null> {
    const make = () => ({ name: "HGET", args: [checkName(key, "a field")] }) as const;
    return this.caller.textOrNull("mapGetValue", table, make);
  }

  /** Several fields in the requested order, null for missing ones. */
  mapGetMultiple(table: string, keys: readonly string[]): Promise<(string | null)[]> {
    const make = () => ({ name: "HMGET", args: checkNames(keys, "the fields") }) as const;
    return this.caller.list("mapGetMultiple", table, make);
  }

  /** All fields; `{}` when there is no map. */
  async mapGetAll(table: string): Promise<Record<string, string>> {
    const flat = await this.caller.list("mapGetAll", table, () => ({ name: "HGETALL", args: [] }));
    const pairs = flat.flatMap((name, at): [string, string][] =>
      at % 2 === 0 ? [[name ?? "", flat[at + 1] ?? ""]] : [],
    );
    return Object.fromEntries(pairs);
  }

  /** The values of all fields. */
  async mapGetValues(table: string): Promise<string[]> {
    const texts = await this.caller.list("mapGetValues", table, () => ({
      name: "HVALS",
      args: [],
    }));
    return texts.map(String);
  }

  /** Removes fields; resolves to the number of removed fields. A map without fields is removed. */
  mapDelete(table: string, keys: readonly string[]): Promise<string> {
    const make = () => ({ name: "HDEL", args: checkNames(keys, "the fields") }) as const;
    return this.caller.text("mapDelete", table, make);
  }

  /** `"1"` when the map has the field, else `"0"`. */
  mapExists(table: string, key: string): Promise<string> {
    const make = () => ({ name: "HEXISTS", args: [checkName(key, "a field")] }) as const;
    return this.caller.text("mapExists", table, make);
  }

  /** Adds to a field, like `increment` to a key. */
  mapIncrement(table: string, key: string, value: Whole): Promise<string> {
    const make = () =>
      ({ name: "HINCRBY", args: [checkName(key, "a field"), numberText(value)] }) as const;
    return this.caller.text("mapIncrement", table, make);
  }

  /** The number of fields in a map. */
  mapLength(table: string): Promise<string> {
    return this.caller.text("mapLength", table, () => ({ name: "HLEN", args: [] }));
  }

  /**
   * Some of the fields, as names and values, and the cursor for more; start with `"0"` and continue
   * until the cursor is `"0"` again. `count` is a hint.
   */
  async mapScan(
    table: string,
    cursor: string,
    pattern?: string,
    count?: number,
  ): Promise<[string, string[]]> {
    const make = () => ({ name: "HSCAN", args: scanArgs(cursor, pattern, count) }) as const;
    const reply = await this.caller.run("mapScan", table, make);
    const [next, items] = Array.isArray(reply) ? reply : [];
    return [String(next ?? "0"), Array.isArray(items) ? items.map(String) : []];
  }
}
