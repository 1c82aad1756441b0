/**
 * The messages of an input: read line by line, checked, numbered.
 *
 * A line that cannot be used is reported with its number and the reason; the others are processed.
 * All of it depends on the input's text alone, so a second run on the same input has the same
 * messages under the same numbers.
 */
import { readDialogue } from "./dialogue.ts";
import { LineError, idOf, own, recordOf, slotsOf, textOf, type Utterance } from "./field.ts";
import type { InputFormat } from "./options.ts";

/** One message of an input. */
export interface Message extends Utterance {
  /** Its position among the messages of the input, from 1; the same in every run on this input. */
  readonly number: number;
  readonly line: number;
}

/** A line that is not used. */
export interface BadLine {
  readonly line: number;
  readonly reason: string;
}

/** The content of an input. */
export interface Input {
  /** Lines that are not blank. */
  readonly lines: number;
  readonly messages: readonly Message[];
  readonly badLines: readonly BadLine[];
}

/** Reads the messages of a text. */
export function readMessages(text: string, format: InputFormat): Input {
  const messages: Message[] = [];
  const badLines: BadLine[] = [];
  const owners = new Map<string, Message>();
  const readLine = format === "messages" ? readUtterance : readDialogue;
  let lines = 0;
  text.split("\n").forEach((content, index) => {
    if (content.trim() === "") return;
    const line = index + 1;
    lines += 1;
    try {
      const found = [readLine(parseJson(content))].flat();
      for (const utterance of found) checkOwner(owners, utterance);
      for (const utterance of found) {
        const message = { ...utterance, number: messages.length + 1, line };
        if (!owners.has(message.session)) owners.set(message.session, message);
        messages.push(message);
      }
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      badLines.push({ line, reason: error.message });
    }
  });
  return { lines, messages, badLines };
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new LineError("not JSON");
  }
}

/** A session belongs to the user and organisation of its first message, as in the library. */
function checkOwner(owners: ReadonlyMap<string, Message>, { session, user, org }: Utterance): void {
  const owner = owners.get(session);
  if (owner === undefined) return;
  if (owner.user !== user)
    throw new LineError(`its session belongs to another user since line ${owner.line}`);
  if (owner.org !== org)
    throw new LineError(`its session belongs to another org, or to none, since line ${owner.line}`);
}

function readUtterance(line: unknown): Utterance {
  const fields = recordOf("the line", line);
  const org = own(fields, "org");
  const slots = own(fields, "slots");
  return {
    user: idOf("user", own(fields, "user")),
    session: idOf("session", own(fields, "session")),
    ...(org === undefined || org === null ? {} : { org: idOf("org", org) }),
    text: textOf("text", own(fields, "text")),
    ...(slots === undefined || slots === null ? {} : { slots: slotsOf("slots", slots) }),
  };
}
