import { readNumber } from "./number.ts";
import type { GeoCircle } from "./query-tree.ts";
import { SearchError } from "./search-error.ts";

/** A location in degrees. */
export interface GeoPoint {
  readonly lon: number;
  readonly lat: number;
}

/** Metres in each unit of distance. */
const UNIT_METRES: ReadonlyMap<string, number> = new Map([
  ["m", 1],
  ["km", 1000],
  ["mi", 1609.34],
  ["ft", 0.3048],
]);

// The radius and the northern limit of the recorded server.
const EARTH_RADIUS_METRES = 6_372_797.560856;
const LAT_MAX = 85.05112878;
const LON_MAX = 180;

/** Returns the folded name of a unit. Throws `BAD_RANGE` for an unknown one. */
export function parseUnit(unit: string, offset?: number): string {
  const name = unit.toLowerCase();
  if (UNIT_METRES.has(name)) return name;
  throw new SearchError("BAD_RANGE", "the unit of distance is not m, km, mi or ft", offset);
}

/** Reads `lon,lat`; undefined when it is not a location on the map. */
export function parsePoint(text: string): GeoPoint | undefined {
  const parts = text.split(/[,\s]+/, 3);
  if (parts.length !== 2) return undefined;
  const lon = readNumber(parts[0] ?? "");
  const lat = readNumber(parts[1] ?? "");
  return isOnMap(lon, lat) ? { lon, lat } : undefined;
}

function isOnMap(lon: number, lat: number): boolean {
  return Math.abs(lon) <= LON_MAX && Math.abs(lat) <= LAT_MAX;
}

/** Throws `BAD_RANGE` unless a circle has a location and a radius ≥ 0. */
export function checkCircle(circle: GeoCircle, offset?: number): void {
  if (!isOnMap(circle.lon, circle.lat)) {
    throw new SearchError("BAD_RANGE", "the circle's centre is not on the map", offset);
  }
  if (!(circle.radius >= 0)) {
    throw new SearchError("BAD_RANGE", "the circle's radius is not a number ≥ 0", offset);
  }
}

/** The radius of a circle in metres. */
export function radiusMetres(circle: GeoCircle): number {
  return circle.radius * (UNIT_METRES.get(circle.unit) ?? 1);
}

/**
 * Degrees of latitude that certainly cover a distance, so that candidates can be cut from a column.
 */
export function latitudeSpan(metres: number): number {
  return (metres / EARTH_RADIUS_METRES) * (180 / Math.PI) + 1e-9;
}

/** The great-circle distance of two locations in metres. */
export function distanceMetres(a: GeoPoint, b: GeoPoint): number {
  const latA = radians(a.lat);
  const latB = radians(b.lat);
  const u = Math.sin((latB - latA) / 2);
  const v = Math.sin((radians(b.lon) - radians(a.lon)) / 2);
  const h = u * u + Math.cos(latA) * Math.cos(latB) * v * v;
  return 2 * EARTH_RADIUS_METRES * Math.asin(Math.min(1, Math.sqrt(h)));
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
