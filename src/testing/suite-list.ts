/** `list`: the keys and their order. */
import assert from "node:assert/strict";
import { commitOk, listAll, type SuiteCase, write } from "./suite-case.ts";

/** More than one page of any store. */
const MANY = 700;

/** Claims about `list`. */
export const listCases: readonly SuiteCase[] = [
  {
    name: "an empty store lists nothing",
    needs: ["list"],
    async run({ store }) {
      assert.deepEqual(await listAll(store), []);
      assert.deepEqual(await listAll(store, { prefix: "a", after: "b", limit: 3 }), []);
    },
  },
  {
    name: "only keys without a tombstone, and a re-created key is listed again",
    needs: ["list"],
    async run({ store }) {
      await store.commit(["a", "b", "c"].map((key) => write(key, 0, 1)));
      assert.deepEqual(await listAll(store), ["a", "b", "c"]);
      await commitOk(store, write("b", 1, undefined));
      assert.deepEqual(await listAll(store), ["a", "c"]);
      await commitOk(store, write("b", 2, 1));
      await commitOk(store, write("d", 0, 1));
      assert.deepEqual(await listAll(store), ["a", "b", "c", "d"]);
    },
  },
  {
    name: "a prefix is text, not a pattern",
    needs: ["list"],
    async run({ store }) {
      const keys = ["a*", "a*b", "ab", "a%", "a%b", "a_", "axb", "A*", "a[b]", "a?c", "a\\", "b"];
      await store.commit(keys.map((key) => write(key, 0, 1)));
      for (const prefix of ["a*", "a%", "a_", "a[b]", "a?", "a\\", "a", "A", "", "zz", "*"]) {
        const expected = keys.filter((key) => key.startsWith(prefix)).toSorted();
        assert.deepEqual(await listAll(store, { prefix }), expected, `prefix ${prefix}`);
      }
    },
  },
  {
    name: "a prefix may end in any unit, the last of all included",
    needs: ["list"],
    async run({ store }) {
      const keys = ["\uffff", "\uffff\uffff", "\uffffa", "\ud83d", "😀", "😁", "\u0000", "\u0000a"];
      await store.commit(keys.map((key) => write(key, 0, 1)));
      for (const prefix of ["\uffff", "\uffff\uffff", "\ud83d", "😀", "\u0000", "\ue000"]) {
        const expected = keys.filter((key) => key.startsWith(prefix)).toSorted();
        assert.deepEqual(await listAll(store, { prefix }), expected);
      }
    },
  },
  {
    name: "after and limit page through everything once, in order",
    needs: ["list"],
    async run({ store }) {
      const keys = Array.from({ length: MANY }, (_, at) => `p/${String(at).padStart(4, "0")}`);
      await store.commit([...keys, "o", "q"].map((key) => write(key, 0, 1)));
      assert.deepEqual(await listAll(store, { prefix: "p/" }), keys);
      const seen: string[] = [];
      let after: string | undefined;
      for (;;) {
        const cursor = after === undefined ? {} : { after };
        const page = await listAll(store, { prefix: "p/", limit: 150, ...cursor });
        assert.ok(page.length <= 150);
        seen.push(...page);
        after = page.at(-1);
        if (after === undefined) break;
      }
      assert.deepEqual(seen, keys);
      assert.deepEqual(await listAll(store, { limit: 0 }), []);
    },
  },
  {
    name: "after need not be a key, and may sort before or behind the prefix",
    needs: ["list"],
    async run({ store }) {
      await store.commit(["", "a", "b1", "b2", "c"].map((key) => write(key, 0, 1)));
      assert.deepEqual(await listAll(store, { after: "" }), ["a", "b1", "b2", "c"]);
      assert.deepEqual(await listAll(store, { after: "b" }), ["b1", "b2", "c"]);
      assert.deepEqual(await listAll(store, { prefix: "b", after: "a" }), ["b1", "b2"]);
      assert.deepEqual(await listAll(store, { prefix: "b", after: "b1" }), ["b2"]);
      assert.deepEqual(await listAll(store, { prefix: "b", after: "c" }), []);
    },
  },
  {
    name: "in reverse, the same keys in descending order, page by page",
    needs: ["list", "reverse"],
    async run({ store }) {
      const keys = Array.from({ length: MANY }, (_, at) => `p/${String(at).padStart(4, "0")}`);
      await store.commit([...keys, "o", "q"].map((key) => write(key, 0, 1)));
      await store.commit(keys.slice(300, 600).map((key) => write(key, 1, undefined)));
      const living = [...keys.slice(0, 300), ...keys.slice(600)].toReversed();
      assert.deepEqual(await listAll(store, { reverse: true }), ["q", ...living, "o"]);
      const seen: string[] = [];
      for (let after: string | undefined; ;) {
        const cursor = after === undefined ? {} : { after };
        const page = await listAll(store, { prefix: "p/", reverse: true, limit: 150, ...cursor });
        seen.push(...page);
        after = page.at(-1);
        if (after === undefined) break;
      }
      assert.deepEqual(seen, living);
      assert.deepEqual(await listAll(store, { reverse: true, limit: 0 }), []);
    },
  },
  {
    name: "in reverse, after need not be a key, and keys of any unit keep their order",
    needs: ["list", "reverse"],
    async run({ store }) {
      await store.commit(["", "a", "b1", "b2", "c"].map((key) => write(key, 0, 1)));
      assert.deepEqual(await listAll(store, { reverse: true, after: "" }), []);
      assert.deepEqual(await listAll(store, { reverse: true, after: "b" }), ["a", ""]);
      const inB = { prefix: "b", reverse: true };
      assert.deepEqual(await listAll(store, { ...inB, after: "a" }), []);
      assert.deepEqual(await listAll(store, { ...inB, after: "b" }), []);
      assert.deepEqual(await listAll(store, { ...inB, after: "b2" }), ["b1"]);
      assert.deepEqual(await listAll(store, { ...inB, after: "c" }), ["b2", "b1"]);
      const keys = ["\uffff", "\uffff\uffff", "\uffffa", "\ud83d", "😀", "😁", "\u0000", "\u0000a"];
      await store.commit(keys.map((key) => write(key, 0, 1)));
      for (const prefix of ["\uffff", "\ud83d", "😀", "\u0000"]) {
        const expected = keys.filter((key) => key.startsWith(prefix)).toSorted();
        const found = await listAll(store, { prefix, reverse: true });
        assert.deepEqual(found, expected.toReversed());
      }
    },
  },
  {
    name: "a listing can end early",
    needs: ["list"],
    async run({ store }) {
      await store.commit(["a", "b", "c"].map((key) => write(key, 0, 1)));
      for await (const key of store.list()) {
        assert.equal(key, "a");
        break;
      }
      assert.deepEqual(await listAll(store), ["a", "b", "c"]);
    },
  },
];
