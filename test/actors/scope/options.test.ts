/** Options that nobody would miss are told. */
import { describe, expect, it } from "vitest";
import { refuseUnknown } from "../../../actors/scope/options.ts";

describe("refuseUnknown", () => {
  it("lets known options pass, and none", () => {
    refuseUnknown("thing", {}, ["size"]);
    refuseUnknown("thing", { size: undefined }, ["size", "name"]);
  });

  it("names what is unknown and what is known", () => {
    const refusal = 'thing has no option "sise", "tint"; it has size, name';
    const given = { sise: 1, size: 2, tint: 3 };
    expect(() => refuseUnknown("thing", given, ["size", "name"])).toThrow(new TypeError(refusal));
  });

  it.each([undefined, null, "text", 1])("says what is missing instead of %j", (given) => {
    const refusal = /^thing needs an object with its options: size$/;
    expect(() => refuseUnknown("thing", given as never, ["size"])).toThrow(refusal);
  });
});
