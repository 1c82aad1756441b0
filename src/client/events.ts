/**
 * Server-sent events of a response. `EventSource` sends no headers, so the stream is read here.
 */

/** One event; `data` as it was sent. */
export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

/** Calls `take` with each event of a body, and `alive` with each chunk; resolves at its end. */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  take: (event: ServerEvent) => void,
  alive: () => void,
): Promise<void> {
  let type = "";
  let data: string[] = [];
  for await (const lines of linesOf(body, alive)) {
    for (const line of lines) {
      // With `s`, for JSON leaves U+2028 and U+2029 in a text as they are.
      const [, name, text = ""] = /^(\w*): ?(.*?)\r?$/s.exec(line) ?? [];
      if (name === "event") type = text;
      else if (name === "data") data.push(text);
      else if (line === "" || line === "\r") {
        if (data.length > 0) take({ type, data: data.join("\n") });
        type = "";
        data = [];
      }
    }
  }
}

/** The lines of a body: those that a chunk ends, together. */
async function* linesOf(
  body: ReadableStream<Uint8Array>,
  alive: () => void,
): AsyncGenerator<readonly string[], void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  /** The line that has not ended, in parts: joined once, however many chunks it has. */
  let rest: string[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    const [more = "", ...lines] = decoder.decode(value, { stream: true }).split("\n");
    rest.push(more);
    const begun = lines.pop();
    if (begun === undefined) continue;
    yield [rest.join(""), ...lines];
    rest = [begun];
  }
}
