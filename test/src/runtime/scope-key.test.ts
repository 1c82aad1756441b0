import { array, assert, constantFrom, integer, oneof, property, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { fromAsciiKey, toAsciiKey } from "../../../src/stores/shared/ascii-key.ts";
import { decodeKey, encodeKey, keyPrefix } from "../../../src/runtime/scope-key.ts";
import { HOSTILE_KEYS } from "../../../src/testing/suite-data.ts";

const RUNS = { numRuns: process.env["TEST_SCALE"] === "nightly" ? 500_000 : 5000 };
/** Any UTF-16 units, lone surrogates too, with a bias to the characters that mean something here. */
const text = array(
  oneof(
    constantFrom("/", "%", "2", "F", "5", "~", "*", ".", "\u0000", "\u0001", "\u007f", "\ud800"),
    integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
  ),
  { maxLength: 8 },
).map((units) => units.join(""));
const order = (left: string, right: string): number => Number(left > right) - Number(left < right);

describe("encodeKey", () => {
  it("is undone by decodeKey", () => {
    assert(
      property(text, text, text, (namespace, type, id) => {
        expect(decodeKey(encodeKey(namespace, type, id))).toEqual({ namespace, type, id });
      }),
      RUNS,
    );
  });

  it("gives different triples different keys", () => {
    const triple = tuple(text, text, text);
    assert(
      property(triple, triple, (left, right) => {
        const isSame = left.every((part, at) => part === right[at]);
        expect(encodeKey(...left) === encodeKey(...right)).toBe(isSame);
      }),
      RUNS,
    );
  });

  it("keeps the order of ids, and a prefix holds exactly its own keys", () => {
    assert(
      property(text, text, text, text, (namespace, type, id, other) => {
        const key = encodeKey(namespace, type, id);
        expect(order(key, encodeKey(namespace, type, other))).toBe(order(id, other));
        expect(key.startsWith(keyPrefix(namespace, type))).toBe(true);
        expect(key.startsWith(keyPrefix(namespace))).toBe(true);
        expect(key.startsWith(keyPrefix(namespace, other))).toBe(type === other);
        expect(key.startsWith(keyPrefix(other))).toBe(namespace === other);
      }),
      RUNS,
    );
  });

  it("answers undefined for a key it cannot have made", () => {
    for (const key of ["", "a", "a/b", "%/b/c", "a/%2f/c", "%25%/b/c", "%2/b/c"])
      expect(decodeKey(key)).toBeUndefined();
  });
});

describe("toAsciiKey", () => {
  it("is undone, keeps the order and the prefixes, and is printable text without NUL", () => {
    assert(
      property(text, text, (key, other) => {
        const ascii = toAsciiKey(key);
        expect(fromAsciiKey(ascii)).toBe(key);
        expect(ascii).toMatch(/^[\u0001-\u007e]*$/);
        expect(order(ascii, toAsciiKey(other))).toBe(order(key, other));
        expect(toAsciiKey(key + other).startsWith(ascii)).toBe(true);
        expect(ascii.startsWith(toAsciiKey(other))).toBe(key.startsWith(other));
      }),
      RUNS,
    );
  });

  it("keeps hostile keys apart", () => {
    expect(new Set(HOSTILE_KEYS.map(toAsciiKey)).size).toBe(HOSTILE_KEYS.length);
  });
});
