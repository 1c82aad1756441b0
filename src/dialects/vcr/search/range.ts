import { distanceMetres, latitudeSpan, radiusMetres } from "./geo.ts";
import type { IndexData } from "./index-data.ts";
import type { GeoCircle, NumericRange } from "./query-tree.ts";
import type { SchemaField, SearchFieldType } from "./schema.ts";
import { SearchError } from "./search-error.ts";

/** Finds a field. Throws `UNKNOWN_FIELD`, or `FIELD_TYPE` when it has another type. */
export function requireField(
  data: IndexData,
  name: string,
  type: SearchFieldType,
  offset?: number,
): SchemaField {
  const field = data.schema.fields.get(name);
  if (field === undefined) throw new SearchError("UNKNOWN_FIELD", "unknown field", offset);
  if (field.type === type) return field;
  throw new SearchError("FIELD_TYPE", `expected a field of type ${type}`, offset);
}

/** The documents in a numeric range, by number. */
export function documentsInRange(
  data: IndexData,
  field: SchemaField,
  range: NumericRange,
): Uint32Array {
  const column = data.columns.get(field.name);
  if (column === undefined || !field.indexed) return new Uint32Array(0);
  const found = column.between(range.min, range.max).filter((document) => {
    const value = column.valueOf(document);
    return !(
      (range.exclusiveMin && value === range.min) ||
      (range.exclusiveMax && value === range.max)
    );
  });
  return found.sort();
}

/** The documents in a circle, by number. */
export function documentsInCircle(
  data: IndexData,
  field: SchemaField,
  circle: GeoCircle,
): Uint32Array {
  const column = data.columns.get(field.name);
  if (column === undefined || !field.indexed) return new Uint32Array(0);
  const radius = radiusMetres(circle);
  const span = latitudeSpan(radius);
  const near = column.between(circle.lat - span, circle.lat + span).filter((document) => {
    const location = data.documents.recordOf(document)?.locations?.get(field.name);
    return location !== undefined && distanceMetres(location, circle) <= radius;
  });
  return near.sort();
}
