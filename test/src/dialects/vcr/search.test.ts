/** Search over the maps of a state, by the engine in this process. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FieldType, IndexType, SortOrder } from "../../../../src/dialects/vcr/enum.ts";
import type { CreateIndexOptions } from "../../../../src/dialects/vcr/index-option.ts";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { places, type Opened } from "./kept.ts";

const users: CreateIndexOptions = {
  on: IndexType.HASH,
  prefix: { count: 1, prefixes: ["user:"] },
  schema: [
    { fieldName: "name", type: FieldType.TEXT, sortable: true },
    { fieldName: "email", type: FieldType.TEXT },
    { fieldName: "loginCount", type: FieldType.NUMERIC, sortable: true },
  ],
};

describe.each(places())("search on $name", ({ open }) => {
  let opened: Opened;
  let state: State;

  beforeEach(async () => {
    opened = await open();
    state = new State(opened.vcr.getSessionById("s"));
    await state.mapSet("user:1", { name: "Alice", email: "alice@example.com", loginCount: 3 });
    await state.mapSet("user:2", { name: "Bob", email: "bob@example.com", loginCount: 7 });
    await state.mapSet("user:3", {
      name: "Alice Cooper",
      email: "cooper@example.com",
      loginCount: 11,
    });
    await state.mapSet("other:1", { name: "Alice" });
    await state.set("user:text", "Alice");
    expect(await state.createIndex("users", users)).toBe("OK");
  });
  afterEach(() => opened.close());

  const ids = async (query: string): Promise<string[]> =>
    (await state.search("users", query)).hits.map(({ id }) => id).toSorted();

  it("finds maps under the prefix", async () => {
    const found = await state.search("users", "@name:Alice");
    expect(found.total).toBe(2);
    expect(found.hits.map(({ id }) => id)).toEqual(["user:1", "user:3"]);
    expect(found.hits[0]?.fields).toEqual({
      name: "Alice",
      email: "alice@example.com",
      loginCount: "3",
    });
    expect(found.raw).toEqual([
      2,
      "user:1",
      ["name", "Alice", "email", "alice@example.com", "loginCount", "3"],
      "user:3",
      ["name", "Alice Cooper", "email", "cooper@example.com", "loginCount", "11"],
    ]);
  });

  it("sorts, scores, limits and returns as asked", async () => {
    const found = await state.search("users", "@name:Alice", {
      withScores: true,
      withSortKeys: true,
      sortBy: { field: "loginCount", order: SortOrder.DESC },
      limit: { offset: 0, num: 10 },
      return: { count: 99, fields: [{ identifier: "email", property: "mail" }] },
    });
    expect(found.hits.map(({ id, sortKey }) => [id, sortKey])).toEqual([
      ["user:3", "#11"],
      ["user:1", "#3"],
    ]);
    expect(found.hits[1]?.score).toBeCloseTo(1.3210913337621835, 3);
    expect(found.hits[1]?.fields).toMatchObject({ mail: "alice@example.com" });
    expect((await state.search("users", "*", { limit: { offset: 0, num: 0 } })).raw).toEqual([3]);
    const filters = [{ numericField: "loginCount", min: 7, max: Infinity, exclusiveMin: true }];
    expect((await state.search("users", "*", { filters, noContent: true })).raw).toEqual([
      1,
      "user:3",
    ]);
    const inKeys = { count: 0, keys: ["user:1", "nope"] };
    expect((await state.search("users", "*", { inKeys, noContent: true })).raw).toEqual([
      1,
      "user:1",
    ]);
    const params = [{ name: "n", value: "Bob" }];
    expect((await state.search("users", "@name:$n", { params, noContent: true })).raw).toEqual([
      1,
      "user:2",
    ]);
  });

  it("sees every write called for before it", async () => {
    void state.mapSet("user:2", { name: "Alicia" });
    expect(await ids("@name:Bob")).toEqual([]);
    void state.mapIncrement("user:2", "loginCount", 1);
    expect(await ids("@loginCount:[8 8]")).toEqual(["user:2"]);
    void state.mapDelete("user:1", ["name"]);
    expect(await ids("@name:Alice")).toEqual(["user:3"]);
    void state.delete("user:3");
    expect(await ids("*")).toEqual(["user:1", "user:2"]);
    void state.set("user:1", "now a text");
    expect(await ids("*")).toEqual(["user:2"]);
    void state.expire("user:2", 0);
    expect(await ids("*")).toEqual([]);
  });

  it("keeps indexes to their own scope and namespace", async () => {
    for (const other of [
      new State(opened.vcr.getSessionById("t")),
      new State(opened.vcr.getSessionById("s"), "ns"),
    ]) {
      await expect(other.search("users", "*")).rejects.toMatchObject({ code: "NO_SUCH_INDEX" });
      await other.mapSet("user:9", { name: "Alice" });
      await other.createIndex("users", users);
      expect((await other.search("users", "*")).hits.map(({ id }) => id)).toEqual(["user:9"]);
    }
    expect(await ids("*")).toHaveLength(3);
  });

  it("drops indexes, with their maps if asked", async () => {
    await expect(state.createIndex("users", users)).rejects.toMatchObject({
      code: "INDEX_EXISTS",
      message: "Index already exists",
      op: "createIndex",
      key: "users",
    });
    expect(await state.dropIndex("users")).toBe(true);
    await expect(state.dropIndex("users")).rejects.toMatchObject({ code: "NO_SUCH_INDEX" });
    expect(await state.exists("user:1")).toBe(true);
    await state.createIndex("users", users);
    expect(await ids("*")).toHaveLength(3);
    expect(await state.dropIndex("users", true)).toBe(true);
    expect(await state.keys()).toEqual(["other:1", "user:text"]);
  });

  it("leaves out what is there already when told so", async () => {
    await state.createIndex("late", { ...users, skipInitialScan: true });
    expect((await state.search("late", "*")).total).toBe(0);
    await state.mapSet("user:1", { loginCount: 4 });
    expect((await state.search("late", "*")).hits.map(({ id }) => id)).toEqual(["user:1"]);
  });

  it("refuses what it cannot do", async () => {
    const refused = { code: "NOT_SUPPORTED" };
    const field = (type: FieldType) => ({ schema: [{ fieldName: "f", type }] });
    await expect(state.createIndex("x", field("VECTOR"))).rejects.toMatchObject(refused);
    await expect(state.createIndex("x", field("GEOSHAPE"))).rejects.toMatchObject(refused);
    await expect(state.createIndex("x", { ...users, on: "JSON" })).rejects.toMatchObject(refused);
    await expect(state.createIndex("x", { ...users, temporary: 1 })).rejects.toMatchObject(refused);
    await expect(state.createIndex("x", {} as never)).rejects.toMatchObject({ code: "BAD_SCHEMA" });
    await expect(state.createIndex("x", { schema: [] })).rejects.toMatchObject({
      code: "BAD_SCHEMA",
    });
    await expect(state.search("users", "*", { dialect: "1" })).rejects.toMatchObject(refused);
    await expect(state.search("users", "*", { explainScore: true })).rejects.toMatchObject(refused);
    await expect(state.search("users", "a (b")).rejects.toMatchObject({
      code: "SYNTAX",
      offset: 4,
    });
    await expect(state.search("users", 5 as never)).rejects.toMatchObject({ code: "SYNTAX" });
    await expect(
      state.search("users", "*", { limit: { offset: -1, num: 1 } }),
    ).rejects.toMatchObject({ code: "BAD_OPTION" });
    expect(await ids("*")).toHaveLength(3);
  });
});
