import { describe, expect, it } from "vitest";
import { decide, phrase, understand } from "../../../src/engine/talk.ts";

describe("understand", () => {
  it("finds slots in a text", () => {
    const { intent, slots } = understand(
      "A table in New York on Friday at 7:30 pm for two",
      undefined,
    );
    expect(intent).toBe("request");
    expect(slots).toEqual({ city: "new york", date: "friday", time: "7:30 pm", people: "two" });
  });

  it("prefers the slots that came with it", () => {
    expect(understand("in Rome", { city: "Oslo" }).slots).toEqual({ city: "Oslo" });
    expect(understand("in Rome", {}).slots).toEqual({});
  });

  it("knows a greeting and a farewell", () => {
    expect(understand("Hello there", undefined).intent).toBe("greeting");
    expect(understand("ok, thank you", undefined).intent).toBe("thanks");
  });
});

describe("decide", () => {
  it("asks for what is missing, in order, until nothing is", () => {
    expect(decide("request", [])).toEqual({ kind: "ask", slot: "city" });
    expect(decide("request", ["city"])).toEqual({ kind: "ask", slot: "date" });
    const known = ["Boats.to_location", "date", "time", "party_size"];
    expect(decide("request", known)).toEqual({ kind: "done" });
    expect(decide("thanks", known)).toEqual({ kind: "smalltalk" });
  });

  it("has words for each decision", () => {
    expect(phrase({ kind: "ask", slot: "time" }, "request", [])).toBe("At what time?");
    expect(phrase({ kind: "done" }, "request", ["a"])).toContain("1 details");
    expect(phrase({ kind: "smalltalk" }, "thanks", [])).toBe("You are welcome.");
  });
});
