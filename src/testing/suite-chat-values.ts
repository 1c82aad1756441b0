/** The cases of values and lists of a state adapter of the Chat SDK. */
import assert from "node:assert/strict";
import { atOnce, type ChatStateCase, MANY, SHORT_MS } from "./suite-chat.ts";

/** Claims about values and lists. */
export const chatValueCases: readonly ChatStateCase[] = [
  {
    name: "a value is got, replaced and deleted, also one that is false",
    async run({ state }) {
      assert.equal(await state.get("k"), null);
      for (const value of [{ n: 1, list: ["a"] }, 0, "", false, null]) {
        await state.set("k", value);
        assert.deepEqual(await state.get("k"), value);
        assert.equal(await state.setIfNotExists("k", "other"), false);
      }
      await state.delete("k");
      await state.delete("k");
      assert.equal(await state.get("k"), null);
    },
  },
  {
    name: "keys are texts of any characters",
    async run({ state }) {
      const keys = ["a:b", "a", "A", "a b", "ä", "🙂", "__proto__", "a/b%", "\u0001"];
      for (const key of keys) await state.set(key, { key });
      for (const key of keys) assert.deepEqual(await state.get(key), { key });
    },
  },
  {
    name: "a value ends by its time to live; one that was set without it stays",
    async run({ state, advance }) {
      await state.set("short", 1, SHORT_MS);
      await state.set("again", 1, SHORT_MS);
      await state.set("again", 2);
      await state.set("none", 3, 0);
      await advance(SHORT_MS + 1);
      assert.deepEqual(await Promise.all(["short", "again", "none"].map((key) => state.get(key))), [
        null,
        2,
        3,
      ]);
    },
  },
  {
    name: "a value is set by one of many that set it if there is none",
    async run({ state, advance }) {
      const set = (): Promise<boolean[]> =>
        atOnce((at) => state.setIfNotExists("k", { at }, SHORT_MS));
      const first = await set();
      assert.equal(first.filter(Boolean).length, 1);
      assert.deepEqual(await state.get("k"), { at: first.indexOf(true) });
      await advance(SHORT_MS + 1);
      assert.equal((await set()).filter(Boolean).length, 1);
    },
  },
  {
    name: "what was got may be changed without changing what is kept",
    async run({ state }) {
      await state.set("k", { list: ["a"] });
      await state.appendToList("l", "a");
      const value = Object(await state.get("k"));
      value.list.push("b");
      (await state.getList("l")).push("b");
      assert.deepEqual([await state.get("k"), await state.getList("l")], [{ list: ["a"] }, ["a"]]);
    },
  },
  {
    name: "a list keeps the order, and the newest values up to its length",
    async run({ state }) {
      assert.deepEqual(await state.getList("l"), []);
      for (const n of [1, 2, 3]) await state.appendToList("l", { n });
      assert.deepEqual(await state.getList("l"), [{ n: 1 }, { n: 2 }, { n: 3 }]);
      await state.appendToList("l", { n: 4 }, { maxLength: 2 });
      assert.deepEqual(await state.getList("l"), [{ n: 3 }, { n: 4 }]);
    },
  },
  {
    name: "values that are appended at once all stay",
    async run({ state }) {
      await atOnce((at) => state.appendToList("l", at));
      assert.equal(new Set(await state.getList("l")).size, MANY);
    },
  },
  {
    name: "a list ends by its time to live, which each append begins anew",
    async run({ state, advance }) {
      await state.appendToList("l", 1, { ttlMs: 2 * SHORT_MS });
      await advance(SHORT_MS);
      await state.appendToList("l", 2, { ttlMs: 2 * SHORT_MS });
      await advance(SHORT_MS + 1);
      assert.deepEqual(await state.getList("l"), [1, 2]);
      await advance(SHORT_MS);
      assert.deepEqual(await state.getList("l"), []);
      await state.appendToList("l", 3);
      assert.deepEqual(await state.getList("l"), [3]);
    },
  },
];
