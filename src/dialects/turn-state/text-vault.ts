/**
 * Documents as texts: JSON, encoded by the key and value codecs.
 *
 * The document has no version field, since the original's readers expect it bare. The stored text
 * itself shows a change: equal bytes are equal state.
 */
import { CorruptStateError } from "../../../actors/errors.ts";
import type { Json } from "../../../actors/protocol.ts";
import type { KeyCodec, ValueCodec } from "./codec.ts";
import { parseJson } from "./json.ts";
import { mailboxAt } from "./mailboxes.ts";
import type { Found, Mailbox, Swap, Swapped, Vault } from "./vault.ts";

/** A stored text. */
export interface StoredText {
  /** The stored bytes in a form that can be compared. */
  readonly stamp: string;
  /** `undefined`: the bytes are not a text. */
  readonly text: string | undefined;
}

/** One text to replace if it equals what was read; `undefined` = there is none. */
export interface TextSwap {
  readonly name: string;
  readonly expected: string | undefined;
  readonly next: string | undefined;
}

/** A location that stores texts by name. */
export interface TextStorage {
  /** Equal for all objects that store the same texts. */
  readonly location: string;
  locate(name: string): string;
  read(names: readonly string[]): Promise<(StoredText | undefined)[]>;
  /** Returns, for each swap, its new stamp, or `null` when the swap was not made. */
  swap(swaps: readonly TextSwap[]): Promise<(StoredText | undefined | null)[]>;
  write(texts: ReadonlyMap<string, string>): Promise<void>;
  remove(names: readonly string[]): Promise<void>;
  /** Moves a text away if it equals what was read; resolves to the new location. */
  setAside(name: string, stamp: string): Promise<string>;
}

/** The text format of documents. */
export interface TextFormat {
  /** Spaces of indentation; 0 = compact. */
  readonly indent: number;
  readonly codec: ValueCodec | undefined;
  readonly keyCodec: KeyCodec | undefined;
}

const BYTE_ORDER_MARK = "\uFEFF";

/** Documents at a location that stores texts. */
export class TextVault implements Vault {
  readonly #texts: TextStorage;
  readonly #format: TextFormat;

  constructor(texts: TextStorage, format: TextFormat) {
    this.#texts = texts;
    this.#format = format;
  }

  locate(key: string): string {
    return this.#texts.locate(this.#nameOf(key));
  }

  mailbox(key: string): Promise<Mailbox> {
    return Promise.resolve(mailboxAt(this.#texts.location, key));
  }

  async find(keys: readonly string[]): Promise<Found[]> {
    const stored = await this.#texts.read(keys.map((key) => this.#nameOf(key)));
    return Promise.all(keys.map((key, index) => this.#found(key, stored[index])));
  }

  async swap(swaps: readonly Swap[]): Promise<Swapped[]> {
    this.#namesOf(swaps.map(({ key }) => key));
    const texts = await Promise.all(
      swaps.map(async ({ key, found, next }): Promise<TextSwap> => ({
        name: this.#nameOf(key),
        // A vault receives only stamps that it returned.
        expected: found.stamp as string | undefined,
        next: next === undefined ? undefined : await this.#encode(key, next),
      })),
    );
    const made = await this.#texts.swap(texts);
    return swaps.map(({ next }, index) => {
      const text = made[index];
      if (text === null) return null;
      return { value: next, exists: next !== undefined, stamp: text?.stamp };
    });
  }

  setAside(key: string, found: Found): Promise<string> {
    // A vault receives only stamps that it returned; a damaged document has one.
    return this.#texts.setAside(this.#nameOf(key), found.stamp as string);
  }

  async write(values: ReadonlyMap<string, Json>): Promise<void> {
    const names = this.#namesOf([...values.keys()]);
    const texts = [...values].map(async ([key, value], index): Promise<[string, string]> => [
      names[index] ?? "", // One per key.
      await this.#encode(key, value),
    ]);
    await this.#texts.write(new Map(await Promise.all(texts)));
  }

  async remove(keys: readonly string[]): Promise<void> {
    await this.#texts.remove(this.#namesOf(keys));
  }

  #nameOf(key: string): string {
    return this.#format.keyCodec?.(key) ?? key;
  }

  /** The names of several documents. Throws when the codec maps two keys to one name. */
  #namesOf(keys: readonly string[]): string[] {
    const names = keys.map((key) => this.#nameOf(key));
    if (new Set(names).size === names.length) return names;
    throw new TypeError("the key codec gives two keys the same name");
  }

  async #encode(key: string, value: Json): Promise<string> {
    const { codec, indent } = this.#format;
    const text = JSON.stringify(value, null, indent);
    if (codec === undefined) return text;
    const encoded: unknown = await codec.encode(text, key);
    if (typeof encoded === "string" && encoded !== "") return encoded;
    throw new TypeError("a value codec must encode to a text that is not empty");
  }

  async #found(key: string, stored: StoredText | undefined): Promise<Found> {
    if (stored === undefined) return { value: undefined, exists: false, stamp: undefined };
    const { stamp, text } = stored;
    const read = text === undefined ? { reason: "it is not UTF-8" } : await this.#decode(key, text);
    if ("value" in read) return { value: read.value, exists: true, stamp };
    const { reason, cause } = read;
    const fields = { location: this.locate(key), reason };
    return {
      value: undefined,
      exists: true,
      stamp,
      corrupt: new CorruptStateError(fields, { cause }),
    };
  }

  async #decode(key: string, text: string): Promise<Decoded> {
    const { codec } = this.#format;
    const bare = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
    if (codec === undefined) return parseJson(bare);
    try {
      return parseJson(await codec.decode(bare, key));
    } catch (cause) {
      return { reason: "its value codec cannot read it", cause };
    }
  }
}

type Decoded = { readonly value: Json } | { readonly reason: string; readonly cause?: unknown };
