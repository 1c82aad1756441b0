/**
 * The messages of a chat of the AI SDK, as a list in the state of a scope.
 *
 * Invariants
 *  M1  Each call is one mutation: a message is stored whole or not at all, and calls of several
 *      requests and processes follow one another.
 *  M2  An id is in the list at most once: a message with a known id takes the place of the earlier
 *      one, as a stream does that is stored again and again.
 *  M3  Appending makes a patch of the new messages alone, however long the list is.
 */
import type { UIMessage } from "ai";
import { originalOf } from "../../../actors/scope/recipe.ts";
import { hasMethods, optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { copyIn, typeName } from "../../../actors/state/copy.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import type { DeepReadonly } from "../../../actors/state-types.ts";
import type { HeldScope } from "../../runtime/scope.ts";

/** The part of a state that has the messages; a state without it has none. */
export interface ChatState<M extends UIMessage = UIMessage> {
  messages?: M[];
}

/** Counts the tokens of a message, as the model does. */
type CountTokens<M extends UIMessage> = (message: DeepReadonly<M>) => number;

/** Which messages to read. */
export interface MessagesOptions<M extends UIMessage = UIMessage> {
  /** The last so many; default all. */
  readonly last?: number | undefined;
  /** As many of the last ones as have at most so many tokens together; default all. */
  readonly maxTokens?: number | undefined;
  /** Default: a token for each four characters of the message's parts as JSON. */
  readonly countTokens?: CountTokens<M> | undefined;
}

/** Which messages to keep: the last `count`, or as many as have at most `tokens` together. */
export type TrimOptions<M extends UIMessage = UIMessage> =
  | { readonly count: number }
  | { readonly tokens: number; readonly countTokens?: CountTokens<M> | undefined };

/** The messages of one chat. */
export interface ChatHistory<M extends UIMessage = UIMessage> {
  /**
   * Adds messages at the end, or in place of those with the same ids; resolves to whether anything
   * changed. Rejects with `TypeError` for a message without an id, and with
   * `StateSerializationError` for one that cannot be stored.
   */
  append(messages: M | readonly M[]): Promise<boolean>;
  /** Copies of the messages as they are stored now, oldest first. */
  messages(options?: MessagesOptions<M>): Promise<M[]>;
  /** Removes the oldest messages; resolves to whether there were too many. */
  trim(options: TrimOptions<M>): Promise<boolean>;
}

type Messages<M extends UIMessage> = readonly DeepReadonly<M>[];

const READ = optionNames<MessagesOptions>({ last: true, maxTokens: true, countTokens: true });

/**
 * The messages of a chat in the field `messages` of a scope, also of one in an exclusive section.
 * Other fields of the state are left alone. Throws `TypeError` for what is no scope; calls throw it
 * for an unknown option, and `RangeError` for a bad number.
 */
export function chatHistory<M extends UIMessage = UIMessage>(
  scope: HeldScope<ChatState<M>>,
): ChatHistory<M> {
  if (!hasMethods(scope, ["update"]))
    throw new TypeError(`chatHistory takes a scope, received ${typeName(scope)}`);
  return {
    async append(given) {
      // Copied now: the caller may change its messages afterwards. A message is no list.
      const added = copyIn<readonly unknown[]>([given].flat(), "messages") as Messages<M>;
      for (const { id } of added)
        if (typeof id !== "string" || id === "")
          throw new TypeError("a message needs an id that is not empty");
      if (added.length === 0) return false;
      const newest = new Map(added.map((message) => [message.id, message]));
      // A recipe, because its patches are as small as what it does.
      return scope.update((draft) => {
        const stored = draft.messages === undefined ? [] : originalOf(draft.messages);
        const places = placesOf(stored as Messages<M>, newest); // The messages under the draft.
        // Copied in when they are stored.
        const messages = (draft.messages ??= []) as DeepReadonly<M>[];
        for (const [id, message] of newest) {
          const place = places.get(id);
          if (place === undefined) messages.push(message);
          else messages[place] = message;
        }
      });
    },
    async messages(options = {}) {
      refuseUnknown("messages", options, READ);
      const { last = Infinity, maxTokens = Infinity, countTokens = estimate } = options;
      checkCount("last", last);
      checkCount("maxTokens", maxTokens);
      const { messages = [] } = await scope.read();
      const window = last < messages.length ? messages.slice(messages.length - last) : messages;
      // A copy of what was appended as such.
      return mutableCopy(lastWithin(window, maxTokens, countTokens)) as M[];
    },
    async trim(options) {
      refuseUnknown("trim", options, "count" in options ? ["count"] : ["tokens", "countTokens"]);
      const keep = keptBy(options);
      // Without messages there is nothing to write, not even an empty list.
      return scope.atomicState(({ messages }) => messages && { messages: keep(messages) });
    },
  };
}

/** Where messages with these ids are; the search begins at the newest. */
function placesOf<M extends UIMessage>(
  messages: Messages<M>,
  wanted: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (let at = messages.length - 1; at >= 0 && places.size < wanted.size; at -= 1) {
    const { id } = messages[at] ?? {};
    if (id !== undefined && wanted.has(id) && !places.has(id)) places.set(id, at);
  }
  return places;
}

function keptBy<M extends UIMessage>(
  options: TrimOptions<M>,
): (messages: Messages<M>) => Messages<M> {
  if ("count" in options) {
    const { count } = options;
    checkCount("count", count);
    return (messages) =>
      count < messages.length ? messages.slice(messages.length - count) : messages;
  }
  const { tokens, countTokens = estimate } = options;
  checkCount("tokens", tokens);
  return (messages) => lastWithin(messages, tokens, countTokens);
}

/** As many of the last messages as have at most `most` tokens together. */
function lastWithin<M extends UIMessage>(
  messages: Messages<M>,
  most: number,
  countTokens: CountTokens<M>,
): Messages<M> {
  if (most === Infinity) return messages;
  let sum = 0;
  let first = messages.length;
  for (let at = messages.length - 1; at >= 0; at -= 1) {
    const message = messages[at];
    if (message !== undefined) sum += countTokens(message);
    if (!(sum <= most)) break; // Not with NaN either.
    first = at;
  }
  return messages.slice(first);
}

function estimate({ parts }: { readonly parts: unknown }): number {
  return Math.ceil((JSON.stringify(parts) ?? "").length / 4);
}

function checkCount(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0 && (value === Infinity || Number.isInteger(value)))
    return;
  throw new RangeError(`${name} must be a whole number from 0 on, received ${String(value)}`);
}
