/** Documents byte for byte as the original's ports write them, and read both ways. */
import { createHash, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  aes256GcmCodec,
  deriveConversationKey,
  deriveUserKey,
  FileStorage,
  hmacKeyCodec,
  MemoryStorage,
  runTurn,
} from "holdfast/turn-state";
import { describe, expect, it } from "vitest";
import { testDirectory } from "../../../support/directory.ts";
import { activity } from "./places.ts";

const root = testDirectory("turn-documents");
const key = "msteams/b1/conversations/c1";
const record = { count: 1, name: "héllo", nested: { a: [1, null] }, empty: {}, arr: [] };

function freshDirectory(): string {
  const dir = join(root, randomUUID());
  mkdirSync(dir);
  return dir;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("keys", () => {
  it("are made of the channel, the bot and the conversation or user", () => {
    expect(deriveConversationKey(activity("c1"))).toBe(key);
    expect(deriveUserKey(activity("c1"))).toBe("msteams/b1/users/u1");
    const slashes = { ...activity("x/y%"), recipient: { id: "a/b" } };
    expect(deriveConversationKey(slashes, "escaped")).toBe("msteams/a%2Fb/conversations/x%2Fy%25");
  });

  it.each([
    [{}, "channelId, recipient.id, conversation.id"],
    [{ ...activity("") }, "channelId, recipient.id, conversation.id"],
    [{ ...activity("c"), recipient: null }, "channelId, recipient.id, conversation.id"],
  ])("need all their fields: %j", (given, fields) => {
    expect(() => deriveConversationKey(given)).toThrow(
      new TypeError(`Activity missing required fields for conversation key: ${fields}`),
    );
  });

  it("need a user for a user's key", () => {
    expect(() => deriveUserKey({ ...activity("c"), from: undefined })).toThrow(
      "Activity missing required fields for user key: channelId, recipient.id, from.id",
    );
  });
});

describe("file names", () => {
  it.each([
    ["foo/bar", "foo%2Fbar"],
    ["foo bar", "foo%20bar"],
    ["user@domain.com", "user%40domain.com"],
    ["key:with:colons", "key%3Awith%3Acolons"],
    ["simple-key_123", "simple-key_123"],
    [
      "channels/msteams/conversations/conv-1/users/user-abc",
      "channels%2Fmsteams%2Fconversations%2Fconv-1%2Fusers%2Fuser-abc",
    ],
    ["msteams/bot-123/conversations/conv-456", "msteams%2Fbot-123%2Fconversations%2Fconv-456"],
    ["key+with+plus", "key%2Bwith%2Bplus"],
    ["key%with%percent", "key%25with%25percent"],
    ["key&with&ampersand", "key%26with%26ampersand"],
    ["key=with=equals", "key%3Dwith%3Dequals"],
    ["héllo", "h%C3%A9llo"],
    ["a!b'c(d)e*f~g", "a%21b%27c%28d%29e%2Af~g"],
    ["", ""],
    [".", "."],
    ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd"],
  ])("encode %j", async (name, encoded) => {
    const dir = freshDirectory();
    await new FileStorage(dir).write({ [name]: { n: 1 } });
    expect(readdirSync(dir)).toEqual([`${encoded}.json`]);
    expect(await new FileStorage(dir).read([name])).toEqual({ [name]: { n: 1 } });
  });

  it("stay short enough and apart for long keys and such without UTF-8", async () => {
    const dir = freshDirectory();
    const names = [
      "x".repeat(250),
      "x".repeat(251),
      "x".repeat(9_000),
      "\ud800",
      "\ud801",
      "é".repeat(99),
    ];
    const documents = Object.fromEntries(names.map((name, n) => [name, { n }]));
    await new FileStorage(dir).write(documents);
    expect(await new FileStorage(dir).read(names)).toEqual(documents);
    expect(readdirSync(dir).every((name) => Buffer.byteLength(name) <= 255)).toBe(true);
    expect(readdirSync(dir)).toContain(`${"x".repeat(250)}.json`);
  });

  it("of the original's Node port are read, replaced and deleted", async () => {
    const dir = freshDirectory();
    const storage = new FileStorage(dir);
    writeFileSync(join(dir, "a!b.json"), '{"n":1}');
    expect(await storage.read(["a!b"])).toEqual({ "a!b": { n: 1 } });
    await storage.write({ "a!b": { n: 2 } });
    expect(readdirSync(dir)).toEqual(["a%21b.json"]);
    writeFileSync(join(dir, "a!b.json"), "{}");
    await storage.delete(["a!b"]);
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe("files", () => {
  it.each([
    [record, 120, "7f81e62fec2dc49d4a5e0ca1061aac9c9e17463583cc05eccb4226ad508bfc8b"],
    [{ count: 2 }, 16, "638306e1db86339ccd77a86e94c5893f22b3e3d44472c4ca9391bc1cb124ac7e"],
    [{}, 2, sha256(Buffer.from("{}"))],
  ])("are written as %j", async (document, length, digest) => {
    const dir = freshDirectory();
    await new FileStorage(dir).write({ [key]: document });
    const bytes = readFileSync(join(dir, "msteams%2Fb1%2Fconversations%2Fc1.json"));
    expect([bytes.length, sha256(bytes)]).toEqual([length, digest]);
  });

  it("of a turn have the same bytes, and nothing lies beside them", async () => {
    const dir = freshDirectory();
    await runTurn(new FileStorage(dir), activity("c1"), (state) => {
      for (const [name, value] of Object.entries(record)) state.conversation.set(name, value);
    });
    expect(readdirSync(dir)).toEqual(["msteams%2Fb1%2Fconversations%2Fc1.json"]);
    const bytes = readFileSync(join(dir, "msteams%2Fb1%2Fconversations%2Fc1.json"));
    expect(sha256(bytes)).toBe("7f81e62fec2dc49d4a5e0ca1061aac9c9e17463583cc05eccb4226ad508bfc8b");
  });

  it.each([
    ["Node", '{\n  "count": 1\n}'],
    ["another platform's lines", '{\r\n  "count": 1\r\n}\r\n'],
    [".NET", '\uFEFF{\n  "count": 1,\n  "n": "h\\u00E9\\u003C"\n}'],
    ["Python", '{"count": 1}'],
  ])("of %s are read", async (_port, text) => {
    const dir = freshDirectory();
    writeFileSync(join(dir, "msteams%2Fb1%2Fconversations%2Fc1.json"), text);
    const storage = new FileStorage(dir);
    await runTurn(storage, activity("c1"), (state) => {
      state.conversation.set("count", (state.conversation.get("count", 0) ?? 0) + 1);
    });
    const found = await storage.read([key]);
    expect(found[key]).toMatchObject({ count: 2 });
  });

  it("are always whole for a reader while they are rewritten", async () => {
    const dir = freshDirectory();
    const storage = new FileStorage(dir, { fsync: false });
    const path = join(dir, "k.json");
    await storage.write({ k: { fill: "x".repeat(50_000) } });
    const writing = Promise.all(
      Array.from({ length: 50 }, (_, n) => storage.write({ k: { n, fill: "x".repeat(50_000) } })),
    );
    const done = new AbortController();
    void writing.finally(() => done.abort());
    while (!done.signal.aborted) {
      expect(() => JSON.parse(readFileSync(path, "utf8"))).not.toThrow();
      await new Promise(setImmediate);
    }
    await writing;
  });

  it("are unlocked when the process that locked them is gone", async () => {
    const dir = freshDirectory();
    const hash = createHash("sha256").update(Buffer.from("k", "utf16le")).digest("hex");
    const storage = new FileStorage(dir);
    await storage.write({ other: {} });
    const { thisProcess } = await import("../../../../src/stores/shared/process-identity.ts");
    const dead = { ...thisProcess(), pid: 2 ** 22 + 1, lock: randomUUID() };
    symlinkSync(JSON.stringify(dead), join(dir, `.lock-${hash.slice(0, 32)}`));
    await storage.write({ k: { n: 1 } });
    expect(readdirSync(dir).toSorted()).toEqual(["k.json", "other.json"]);
  });
});

describe("a damaged document", () => {
  const damaged: readonly (string | Uint8Array)[] = ["", "{", "[1]", '"text"', "NaN"];

  it.each([...damaged, Buffer.from([0x7b, 0xff, 0x7d])])(
    "%j is refused and kept",
    async (bytes) => {
      const dir = freshDirectory();
      const path = join(dir, "msteams%2Fb1%2Fconversations%2Fc1.json");
      writeFileSync(path, bytes);
      const turn = runTurn(new FileStorage(dir), activity("c1"), () => undefined);
      await expect(turn).rejects.toMatchObject({ code: "CORRUPT_STATE", location: path });
      expect(readFileSync(path)).toEqual(Buffer.from(bytes));
    },
  );

  it("is set aside or written over when the policy says so", async () => {
    for (const onCorrupt of ["quarantine", "reset"] as const) {
      const dir = freshDirectory();
      writeFileSync(join(dir, "msteams%2Fb1%2Fconversations%2Fc1.json"), "{");
      const logger = { warn: () => undefined, error: () => undefined };
      const storage = new FileStorage(dir);
      const options = { onCorrupt, logger };
      await runTurn(storage, activity("c1"), (s) => s.conversation.set("n", 1), options);
      expect(await storage.read([key])).toEqual({ [key]: { n: 1 } });
      const aside = readdirSync(dir).filter((name) => name.startsWith(".corrupt-"));
      expect(aside.map((name) => readFileSync(join(dir, name), "utf8"))).toEqual(
        onCorrupt === "quarantine" ? ["{"] : [],
      );
    }
  });

  it("that is null is an empty one", async () => {
    const storage = new MemoryStorage();
    await storage.write({ [key]: null });
    await runTurn(storage, activity("c1"), (state) => state.conversation.set("n", 1));
    expect(await storage.read([key])).toEqual({ [key]: { n: 1 } });
  });
});

describe("storages", () => {
  it("hand out copies and take copies", async () => {
    const storage = new MemoryStorage();
    const given = { list: [1] };
    await storage.write({ a: given });
    given.list.push(2);
    const found = await storage.read(["a", "missing"]);
    expect(found).toEqual({ a: { list: [1] } });
    expect(Object.hasOwn(found, "missing")).toBe(false);
    Object.assign(Object(found["a"]), { list: null });
    expect(await storage.read(["a"])).toEqual({ a: { list: [1] } });
    await storage.delete(["a", "missing"]);
    expect(await storage.read(["a"])).toEqual({});
  });

  it("refuse what is no document and no key", async () => {
    for (const storage of [new MemoryStorage(), new FileStorage(freshDirectory())]) {
      const refused = { code: "STATE_NOT_SERIALIZABLE" };
      await expect(storage.write({ a: undefined })).rejects.toMatchObject(refused);
      await expect(storage.write({ a: { n: 1n } })).rejects.toMatchObject(refused);
      expect(await storage.read(["a"])).toEqual({});
      const wrong = [1] as unknown as string[]; // What a caller without types may pass.
      await expect(storage.read(wrong)).rejects.toThrow(TypeError);
    }
  });

  it("say that a directory cannot be used", async () => {
    const path = join(freshDirectory(), "file");
    writeFileSync(path, "");
    const storage = new FileStorage(path);
    await expect(storage.write({ a: {} })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(existsSync(path)).toBe(true);
  });
});

describe("codecs", () => {
  const old = Buffer.alloc(32, 1);
  const fresh = Buffer.alloc(32, 2);

  it("encrypt documents, rotate secrets and bind them to their keys", async () => {
    const dir = freshDirectory();
    await new FileStorage(dir, { codec: aes256GcmCodec(old) }).write({ a: { pin: "secret" } });
    expect(readFileSync(join(dir, "a.json"), "utf8")).not.toContain("secret");
    const rotated = new FileStorage(dir, { codec: aes256GcmCodec([fresh, old]) });
    expect(await rotated.read(["a"])).toEqual({ a: { pin: "secret" } });
    writeFileSync(join(dir, "b.json"), readFileSync(join(dir, "a.json")));
    const corrupt = { code: "CORRUPT_STATE" };
    await expect(rotated.read(["b"])).rejects.toMatchObject(corrupt);
    const other = new FileStorage(dir, { codec: aes256GcmCodec(fresh) });
    await expect(other.read(["a"])).rejects.toMatchObject(corrupt);
  });

  it("read plain documents only when told to", async () => {
    const dir = freshDirectory();
    await new FileStorage(dir).write({ a: { n: 1 } });
    const strict = new FileStorage(dir, { codec: aes256GcmCodec(old) });
    await expect(strict.read(["a"])).rejects.toMatchObject({ code: "CORRUPT_STATE" });
    const codec = aes256GcmCodec(old, { acceptPlain: true });
    expect(await new FileStorage(dir, { codec }).read(["a"])).toEqual({ a: { n: 1 } });
  });

  it("count turns on encrypted documents under hashed names", async () => {
    const dir = freshDirectory();
    const codecs = { codec: aes256GcmCodec(old), keyCodec: hmacKeyCodec("pepper") };
    const storage = new FileStorage(dir, codecs);
    const turns = Array.from({ length: 10 }, () =>
      runTurn(storage, activity("c1"), (state) => {
        state.conversation.set("n", (state.conversation.get("n", 0) ?? 0) + 1);
      }),
    );
    await Promise.all(turns);
    expect(await storage.read([key])).toEqual({ [key]: { n: 10 } });
    expect(readdirSync(dir)).toEqual([expect.stringMatching(/^[\da-f]{64}\.json$/)]);
  });

  it("are refused when they cannot work", async () => {
    expect(() => aes256GcmCodec(Buffer.alloc(16))).toThrow(RangeError);
    expect(() => hmacKeyCodec("")).toThrow(RangeError);
    const storage = new FileStorage(freshDirectory(), { keyCodec: () => "one" });
    await expect(storage.write({ a: {}, b: {} })).rejects.toThrow("two keys the same name");
  });
});
