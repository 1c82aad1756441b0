/**
 * Converts an annotated dialogue, `{ id, services, turns: [{ speaker, text, state? }] }`, to
 * messages.
 *
 * Each turn of the user is a message of the session named after the dialogue. The annotation has
 * all slots known so far; a message has those that are new or changed, so that the engine must
 * merge them again. Such dialogues name no user and no organisation: the user is one of a fixed
 * number, chosen by the dialogue's id, and the organisation is the first service.
 */
import { createHash } from "node:crypto";
import {
  LineError,
  idOf,
  own,
  recordOf,
  slotsOf,
  textOf,
  type SlotValue,
  type Utterance,
} from "./field.ts";

/** The number of users of all dialogues. */
const USER_COUNT = 100;

/** The messages of one dialogue; throws `LineError`. */
export function readDialogue(line: unknown): Utterance[] {
  const fields = recordOf("the line", line);
  const session = idOf("id", own(fields, "id"));
  const org = orgOf(listOf("services", own(fields, "services")));
  const known = new Map<string, SlotValue>();
  return listOf("turns", own(fields, "turns")).flatMap((item) => {
    const turn = recordOf("a turn", item);
    const text = textOf("the text of a turn", own(turn, "text"));
    const speaker = textOf("the speaker of a turn", own(turn, "speaker"));
    if (speaker !== "USER") return [];
    const slots = news(known, own(turn, "state") ?? {});
    return [{ user: userOf(session), session, ...org, text, slots }];
  });
}

function listOf(name: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new LineError(`${name} must be an array`);
  return value;
}

/** `Buses_1` and `Buses_2` are two services of one organisation. */
function orgOf([first]: readonly unknown[]): { org?: string } {
  return first === undefined ? {} : { org: idOf("a service", first).replace(/_\d+$/, "") };
}

function userOf(session: string): string {
  const draw = createHash("sha256").update(session).digest().readUInt32BE(0);
  return `user-${draw % USER_COUNT}`;
}

/** The slots that are new or changed; they count as known from then on. */
function news(known: Map<string, SlotValue>, state: unknown): Record<string, SlotValue> {
  const found: [string, SlotValue][] = [];
  for (const [service, value] of Object.entries(recordOf("the state of a turn", state))) {
    const slots = slotsOf("slots", own(recordOf(service, value), "slots") ?? {});
    for (const [name, content] of Object.entries(slots))
      found.push([`${service}.${name}`, content]);
  }
  const changed = found.filter(([name, content]) => known.get(name) !== content);
  for (const [name, content] of changed) known.set(name, content);
  return Object.fromEntries(changed);
}
