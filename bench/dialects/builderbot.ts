/** State per user: `holdfast/builderbot` beside the original's map of records. */
import type * as Entry from "../../src/builderbot.ts";
import { urlOf } from "../subject.ts";
import type { Kept, Match, Side } from "./side.ts";

const { createBotState }: typeof Entry = await import(urlOf("builderbot"));

/** Merges into a new record at once and gives a promise that is already settled. */
class RecordMap {
  readonly #records = new Map<string, Record<string, unknown>>();

  async update(from: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
    this.#records.set(from, { ...this.#records.get(from), ...fields });
  }

  get(from: string, path: string): unknown {
    let found: unknown = this.#records.get(from);
    for (const part of path.split(".")) found = Reflect.get(Object(found), part);
    return found;
  }
}

const original: Side = {
  name: "map of records",
  async open(document): Promise<Kept> {
    const state = new RecordMap();
    await state.update("u", document);
    return {
      async turn(pause) {
        const n = Number(state.get("u", "n"));
        await pause();
        await state.update("u", { n: n + 1 });
      },
      count: async () => Number(state.get("u", "n")),
    };
  },
};

const ours: Side = {
  name: "holdfast/builderbot",
  async open(document): Promise<Kept> {
    const bot = createBotState();
    const state = bot.state("u");
    await state.update(document);
    return {
      turn: (pause) =>
        state.update(async ({ n }) => {
          await pause();
          return { n: Number(n) + 1 };
        }),
      count: async () => Number(state.get("n")),
      close: () => bot.close(),
    };
  },
};

/** The original cannot be imported without a downloaded ffmpeg, so its map is written down here. */
export const builderbot: Match = {
  dialect: "builderbot",
  original,
  ours: [ours],
  note: "@builderbot/bot does not load without ffmpeg: its map, which keeps nothing, is written anew.",
};
