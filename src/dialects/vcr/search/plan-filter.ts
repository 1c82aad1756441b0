import { checkCircle, parseUnit } from "./geo.ts";
import type { IndexData } from "./index-data.ts";
import type { SearchOptions } from "./option.ts";
import type { Plan } from "./plan.ts";
import { documentsInCircle, documentsInRange, requireField } from "./range.ts";
import { SearchError } from "./search-error.ts";

/**
 * Narrows a plan by the filters of a search: numbers, locations and keys. Throws `UNKNOWN_FIELD`,
 * `FIELD_TYPE` or `BAD_RANGE`.
 */
export function planFilters(data: IndexData, plan: Plan, options: SearchOptions): Plan {
  const sets = [
    ...(options.filters ?? []).map((filter) => {
      const { exclusiveMin = false, exclusiveMax = false, min, max } = filter;
      const field = requireField(data, filter.numericField, "NUMERIC");
      if (!(min <= max)) throw new SearchError("BAD_RANGE", "a filter has min above max");
      return documentsInRange(data, field, { min, max, exclusiveMin, exclusiveMax });
    }),
    ...(options.geoFilters ?? []).map((filter) => {
      const field = requireField(data, filter.geoField, "GEO");
      const circle = { ...filter, unit: parseUnit(filter.unit) };
      checkCircle(circle);
      return documentsInCircle(data, field, circle);
    }),
    ...(options.inKeys === undefined ? [] : [documentsWithKeys(data, options.inKeys)]),
  ];
  if (sets.length === 0) return plan;
  const parts: Plan[] = sets.map((documents) => ({ kind: "documents", documents }));
  return { kind: "every", parts: [...parts, plan], slop: undefined, inOrder: false, weight: 1 };
}

function documentsWithKeys(data: IndexData, keys: readonly string[]): Uint32Array {
  const numbers = new Set<number>();
  for (const key of keys) {
    const number = data.documents.numberOf(key);
    if (number !== undefined) numbers.add(number);
  }
  return Uint32Array.from(numbers).sort();
}
