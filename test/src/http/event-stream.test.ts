/** One reader of events: its order, its bound, its end, and a source that is asked for each frame. */
import { describe, expect, it } from "vitest";
import { EventReader, READER_BYTES_MAX } from "../../../src/http/event-stream.ts";
import { settled } from "../../support/waiting.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A reader, and a function that reads its next chunk; `null` at the end. */
function opened(port: { present?: () => Uint8Array; more?: () => void }) {
  let left = 0;
  const reader = new EventReader({ ...port, left: () => (left += 1) });
  const stream = reader.stream.getReader();
  const next = async (): Promise<string | null> => {
    const { done, value } = await stream.read();
    return done ? null : new TextDecoder().decode(value);
  };
  return { reader, next, stream, left: () => left };
}

describe("a reader", () => {
  it("gives what was pushed in order, after what comes before it", async () => {
    const { reader, next, left } = opened({ present: () => bytes("present") });
    reader.push(bytes("c"));
    reader.prepend([bytes("a"), bytes("b")]);
    reader.push(bytes("d"));
    expect(await next()).toBe(":\n\nabcd");
    const waiting = next();
    reader.push(bytes("e"));
    expect(await waiting).toBe("e");
    reader.push(bytes("f"));
    reader.end();
    reader.push(bytes("g"));
    expect(await next()).toBe("f");
    expect(await next()).toBe(null);
    expect(left()).toBe(1);
  });

  it("that is behind gives the present state in place of all before it", async () => {
    const { reader, next } = opened({ present: () => bytes("present") });
    reader.push(new Uint8Array(READER_BYTES_MAX - 3)); // With the comment at the start.
    reader.push(bytes("x"));
    reader.prepend([bytes("older")]);
    expect(await next()).toBe("present");
    reader.push(bytes("newer"));
    expect(await next()).toBe("newer");
  });

  it("asks its source once for each frame, and sends comments while it waits", async () => {
    let asked = 0;
    const { reader, next, stream, left } = opened({ more: () => (asked += 1) });
    expect([await next(), asked]).toEqual([":\n\n", 0]);
    let waiting = next();
    reader.beat();
    expect([await waiting, asked]).toEqual([":\n\n", 1]);
    reader.beat(); // Nothing waits for it.
    waiting = next();
    expect(asked).toBe(1);
    reader.push(new Uint8Array(2 * READER_BYTES_MAX));
    expect((await waiting)?.length).toBe(2 * READER_BYTES_MAX);
    waiting = next();
    expect(asked).toBe(2);
    const failure = new Error("the source failed");
    reader.fail(failure);
    await expect(waiting).rejects.toBe(failure);
    expect(left()).toBe(1);
    await stream.cancel().catch(() => undefined);
    await settled();
    expect(left()).toBe(1);
  });
});
