/** A1 and A2: what a verified no-op costs alone, and gathered with others of its tick. */
import { WAYS, type StoreName } from "../contention/site.ts";
import { isServerStore } from "../servers/server.ts";
import { atMost, race, type Section } from "../support.ts";
import { asking, bareRead, local, storeCheck, verified } from "./asking.ts";

const ALL = [bareRead, storeCheck, verified, local];

const TURNS = 500;
/** As many as take about as long. */
const LOCAL_TURNS = 20_000;

const BARE: Readonly<Partial<Record<StoreName, string>>> = {
  memory: "bare: `load` of the store, which has no driver below it.",
  sqlite: "bare: a prepared SELECT on the store's connection.",
  redis: "bare: HGET on the store's connection.",
  postgres: "bare: a prepared SELECT through the store's pool.",
};

const CHECKED = [
  "Each answer was false and each version as before; then another runtime wrote all records, and",
  "each way noticed that in all of them, the local one in none.",
];

/** A1: one at a time, each awaited. */
export async function aloneSection(store: StoreName, rounds = 5): Promise<Section> {
  const contenders = ALL.map((way) => {
    const turns = way === local ? LOCAL_TURNS : TURNS;
    return asking(way, { store, records: 1, turns });
  });
  const result = await race({ base: bareRead.name, operations: TURNS, rounds, contenders });
  const place = { id: "A1", work: `awaited no-op, alone, ${store}` };
  const ratio = result.ratio(verified.name, bareRead.name);
  return {
    title: `A1: ${TURNS} no-ops on one idle scope, one after the other, ${WAYS[store]}`,
    notes: [BARE[store] ?? "", ...CHECKED],
    timings: result.timings,
    goals: isServerStore(store) ? [atMost(place, ratio, 2, "× a bare read")] : [],
  };
}

/** A2: one of each of 1,000 scopes in the same tick. */
export async function gatheredSection(store: StoreName, rounds = 5): Promise<Section> {
  const load = { store, records: 1000, turns: 5 };
  const contenders = ALL.map((way) => asking(way, load));
  const result = await race({ base: bareRead.name, operations: 1, rounds, contenders });
  const place = { id: "A2", work: `1,000 no-ops of one tick, ${store}` };
  const ratio = result.ratio(verified.name, bareRead.name);
  return {
    title: `A2: one no-op of each of 1,000 scopes in one tick; times per no-op, ${WAYS[store]}`,
    notes: [
      BARE[store] ?? "",
      "1,000 bare reads are asked in one tick, too; the store's check asks for all in one call.",
      ...CHECKED,
    ],
    timings: result.timings,
    goals: isServerStore(store) ? [atMost(place, ratio, 1, "× 1,000 bare reads")] : [],
  };
}
