import { describe, expect, it } from "vitest";
import {
  checkCircle,
  distanceMetres,
  latitudeSpan,
  parsePoint,
  parseUnit,
  radiusMetres,
} from "../../../../../src/dialects/vcr/search/geo.ts";

const LONDON = { lon: -0.1276, lat: 51.5072 };
const PARIS = { lon: 2.3522, lat: 48.8566 };

describe("geo", () => {
  it.each([
    ["-0.1276,51.5072", LONDON],
    ["2.3522, 48.8566", PARIS],
    ["180,85", { lon: 180, lat: 85 }],
    ["181,0", undefined],
    ["0,86", undefined],
    ["0", undefined],
    ["0,0,0", undefined],
    ["a,b", undefined],
    ["inf,0", undefined],
    ["", undefined],
  ])("reads %j", (text, expected) => {
    expect(parsePoint(text)).toEqual(expected);
  });

  it("measures along the globe", () => {
    const metres = distanceMetres(LONDON, PARIS);
    expect(metres).toBeGreaterThan(343_000);
    expect(metres).toBeLessThan(345_000);
    expect(distanceMetres(PARIS, LONDON)).toBeCloseTo(metres, 6);
    expect(distanceMetres(PARIS, PARIS)).toBe(0);
    expect(distanceMetres({ lon: 0, lat: 0 }, { lon: 0, lat: latitudeSpan(1000) })).toBeGreaterThan(
      999.9,
    );
  });

  it("knows four units", () => {
    const metresIn = (unit: string) => radiusMetres({ ...PARIS, radius: 2, unit: parseUnit(unit) });
    expect(["m", "KM", "mi", "ft"].map(metresIn)).toEqual([2, 2000, 3218.68, 0.6096]);
    for (const unit of ["", "yd", "__proto__", "constructor"]) {
      expect(() => parseUnit(unit)).toThrow(expect.objectContaining({ code: "BAD_RANGE" }));
    }
  });

  it.each([
    { ...PARIS, radius: -1 },
    { ...PARIS, radius: Number.NaN },
    { lon: 200, lat: 0, radius: 1 },
    { lon: Number.NaN, lat: 0, radius: 1 },
  ])("refuses the circle %j", (circle) => {
    expect(() => checkCircle({ ...circle, unit: "m" })).toThrow(
      expect.objectContaining({ code: "BAD_RANGE" }),
    );
  });
});
