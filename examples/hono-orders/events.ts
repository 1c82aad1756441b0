/** A reader of server-sent events. */
export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

/** The events of a URL, until the caller stops reading or the connection ends. */
export async function* events(url: string): AsyncGenerator<ServerEvent> {
  const ending = new AbortController();
  const { body } = await fetch(url, { signal: ending.signal });
  if (body === null) return;
  try {
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const parts = (text + chunk).split("\n\n");
      text = parts.pop() ?? "";
      for (const part of parts) yield parse(part);
    }
  } finally {
    ending.abort();
  }
}

function parse(part: string): ServerEvent {
  const event = { id: "", event: "message", data: "" };
  for (const line of part.split("\n")) {
    if (line.startsWith("id: ")) event.id = line.slice(4);
    if (line.startsWith("event: ")) event.event = line.slice(7);
    if (line.startsWith("data: ")) event.data += line.slice(6);
  }
  return event;
}
