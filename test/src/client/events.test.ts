/** Events of a stream as text: lines in any chunks. */
import { expect, it } from "vitest";
import { readEvents, type ServerEvent } from "../../../src/client/events.ts";

/** The events of a text that comes in chunks of so many bytes. */
async function eventsIn(text: string, chunk: number): Promise<ServerEvent[]> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(stream) {
      if (at >= bytes.length) return stream.close();
      stream.enqueue(bytes.subarray(at, at + chunk));
      at += chunk;
    },
  });
  const events: ServerEvent[] = [];
  await readEvents(
    body,
    (event) => events.push(event),
    () => undefined,
  );
  return events;
}

it("are the same however the stream is cut", async () => {
  const text =
    ':\n\nid: 1\nevent: a\r\ndata: "ü\u2028"\ndata:2\r\n\r\n\n\nevent: b\n\ndata: 3\n\ndata: 4';
  const events = [
    { type: "a", data: '"ü\u2028"\n2' },
    { type: "", data: "3" },
  ];
  for (let chunk = 1; chunk < 70; chunk += 1) expect(await eventsIn(text, chunk)).toEqual(events);
});

it("of one long line are read in a time that grows with its length alone", async () => {
  const data = "x".repeat(2 ** 24);
  // Where each chunk copies what came before, this takes minutes.
  expect(await eventsIn(`data: ${data}\n\n`, 2 ** 12)).toEqual([{ type: "", data }]);
});
