/**
 * Search by the server's own module: definitions and options become arguments, replies are parsed.
 */
import { setTimeout } from "node:timers";
import type { SearchHit, SearchResult } from "./search/result.ts";
import type { SearchField } from "./search/schema.ts";
import type { RedisArgument } from "../redis-client.ts";
import type { Reply } from "./command.ts";
import { Failure } from "./error.ts";
import { searchOptions, type IndexDefinition, type StateSearchOptions } from "./index-option.ts";
import { one, searchArgs } from "./redis-module-query.ts";
import type { RedisConnection } from "./redis-connection.ts";
import type { RedisIndexes } from "./redis-index.ts";

/** Milliseconds between two checks of a new index. */
const POLL_MS = 20;
/** The number of checks before an unfinished new index is abandoned: a minute. */
const POLLS_MAX = 3_000;

/** The indexes of the server. */
export class ModuleIndexes implements RedisIndexes {
  readonly #connection: RedisConnection;
  readonly #version: number;

  constructor(connection: RedisConnection, version: number) {
    this.#connection = connection;
    this.#version = version;
  }

  async create(prefix: string, name: string, definition: IndexDefinition): Promise<void> {
    const { keyPrefix } = this.#connection;
    const args = createArgs(definition, keyPrefix + prefix);
    await this.#connection.send("FT.CREATE", this.#name(prefix, name), ...args);
    for (let polls = 0; polls < POLLS_MAX; polls += 1) {
      const info = await this.#connection.send("FT.INFO", this.#name(prefix, name));
      if (fieldOf(info, "indexing") === "0" || Number(fieldOf(info, "percent_indexed")) === 1)
        return;
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS);
      });
    }
    throw new Failure("REDIS", "the server did not finish the new index in time");
  }

  async drop(prefix: string, name: string, withDocuments: boolean): Promise<void> {
    const flag = withDocuments ? ["DD"] : [];
    await this.#connection.send("FT.DROPINDEX", this.#name(prefix, name), ...flag);
  }

  async search(
    prefix: string,
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
  ): Promise<SearchResult> {
    const start = this.#connection.keyPrefix + prefix;
    const options = searchOptions(query.options);
    const args = searchArgs(options, { prefix: start, version: this.#version });
    const index = this.#name(prefix, name);
    const reply = await this.#connection.send("FT.SEARCH", index, query.text, ...args);
    const { total, hits } = readSearchReply(reply, options);
    const inScope = (hit: SearchHit): SearchHit => ({ ...hit, id: hit.id.slice(start.length) });
    return { total, hits: hits.map(inScope) };
  }

  wrote(): void {
    // The server indexes by itself.
  }

  #name(prefix: string, name: string): string {
    return this.#connection.keyPrefix + prefix + name;
  }
}

/** The arguments of `FT.CREATE` after the name. */
export function createArgs(definition: IndexDefinition, prefix: string): RedisArgument[] {
  const { prefixes, filter, language, languageField, score, scoreField } = definition;
  const { payloadField, stopwords, skipInitialScan } = definition;
  return [
    "ON",
    "HASH",
    "PREFIX",
    prefixes.length,
    ...prefixes.map((each) => prefix + each),
    ...one("FILTER", filter),
    ...one("LANGUAGE", language),
    ...one("LANGUAGE_FIELD", languageField),
    ...one("SCORE", score),
    ...one("SCORE_FIELD", scoreField),
    ...one("PAYLOAD_FIELD", payloadField),
    ...(stopwords === undefined ? [] : ["STOPWORDS", stopwords.length, ...stopwords]),
    ...(skipInitialScan === true ? ["SKIPINITIALSCAN"] : []),
    "SCHEMA",
    ...definition.schema.flatMap(fieldArgs),
  ];
}

function fieldArgs(field: SearchField): RedisArgument[] {
  const { fieldName, alias, type } = field;
  const sort = field.unf === true ? ["SORTABLE", "UNF"] : ["SORTABLE"];
  return [
    fieldName,
    ...one("AS", alias),
    type,
    ...typeArgs(field),
    ...(field.sortable === true ? sort : []),
    ...(field.noIndex === true ? ["NOINDEX"] : []),
  ];
}

/** The arguments that belong to one type of field. */
function typeArgs(field: SearchField): RedisArgument[] {
  const { type, weight, noStem, separator, caseSensitive } = field;
  if (type === "TEXT") return [...one("WEIGHT", weight), ...(noStem === true ? ["NOSTEM"] : [])];
  if (type !== "TAG") return [];
  return [...one("SEPARATOR", separator), ...(caseSensitive === true ? ["CASESENSITIVE"] : [])];
}

/** The parts of a hit besides its id, in the order of a flat reply. */
interface ReplyShape {
  readonly withScores?: boolean;
  readonly withPayloads?: boolean;
  readonly withSortKeys?: boolean;
  readonly noContent?: boolean;
}

/** Reads a reply of either version of the protocol; maps are lists of names and values. */
export function readSearchReply(reply: Reply, shape: ReplyShape): SearchResult {
  if (!Array.isArray(reply)) throw new Failure("REDIS", "a search reply cannot be read");
  const results = fieldOf(reply, "results");
  if (!Array.isArray(results)) return readFlat(reply, shape);
  const total = Number(fieldOf(reply, "total_results"));
  return { total, hits: results.map((result: Reply) => readMap(result, shape)) };
}

function readFlat(reply: readonly Reply[], shape: ReplyShape): SearchResult {
  const hits: SearchHit[] = [];
  let at = 1;
  const next = (): Reply => reply[at++] ?? null;
  while (at < reply.length) {
    const id = String(next());
    const score = shape.withScores === true ? { score: Number(next()) } : {};
    const payload = shape.withPayloads === true ? { payload: textOrNull(next()) } : {};
    const sortKey = shape.withSortKeys === true ? { sortKey: textOrNull(next()) } : {};
    const fields = shape.noContent === true ? {} : { fields: record(next()) };
    hits.push({ id, ...score, ...payload, ...sortKey, ...fields });
  }
  return { total: Number(reply[0]), hits };
}

function readMap(result: Reply, shape: ReplyShape): SearchHit {
  const valueOf = (name: string): Reply => fieldOf(result, name);
  return {
    id: String(valueOf("id")),
    ...(shape.withScores === true ? { score: Number(valueOf("score")) } : {}),
    ...(shape.withPayloads === true ? { payload: textOrNull(valueOf("payload")) } : {}),
    ...(shape.withSortKeys === true ? { sortKey: textOrNull(valueOf("sortkey")) } : {}),
    ...(shape.noContent === true ? {} : { fields: record(valueOf("extra_attributes")) }),
  };
}

function textOrNull(reply: Reply): string | null {
  return typeof reply === "string" ? reply : null;
}

/** The value after a name in a list of names and values; null when the name is missing. */
function fieldOf(reply: Reply, name: string): Reply {
  if (!Array.isArray(reply)) return null;
  for (let at = 0; at + 1 < reply.length; at += 2) if (reply[at] === name) return reply[at + 1];
  return null;
}

function record(reply: Reply): Record<string, string> {
  const flat: readonly Reply[] = Array.isArray(reply) ? reply : [];
  const entries: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2)
    entries.push([String(flat[at]), String(flat[at + 1])]);
  return Object.fromEntries(entries);
}
