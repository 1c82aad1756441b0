/** The documents of a turn: the keys of its conversation and of its user. */
import { isTypeError } from "../../../actors/realm.ts";

/** The fields of an inbound activity that keys are made of. */
export interface TurnActivity {
  readonly channelId?: string | null | undefined;
  readonly recipient?: { readonly id?: string | null | undefined } | null | undefined;
  readonly conversation?: { readonly id?: string | null | undefined } | null | undefined;
  readonly from?: { readonly id?: string | null | undefined } | null | undefined;
}

/** The form of a key: `compat` is the original's form; `escaped` escapes each segment. */
export type KeyFormat = "compat" | "escaped";

/** The persisted scopes. */
export type PersistedScope = "conversation" | "user";

/**
 * `{channelId}/{recipient.id}/conversations/{conversation.id}`. Throws `TypeError` when a field is
 * missing or empty.
 */
export function deriveConversationKey(activity: TurnActivity, format?: KeyFormat): string {
  return keyOf("conversation", activity, format);
}

/** `{channelId}/{recipient.id}/users/{from.id}`. Throws `TypeError` as above. */
export function deriveUserKey(activity: TurnActivity, format?: KeyFormat): string {
  return keyOf("user", activity, format);
}

/** The key of one scope, or the error that names the missing fields. */
export function keyOrError(
  scope: PersistedScope,
  activity: TurnActivity,
  format: KeyFormat,
): string | TypeError {
  try {
    return keyOf(scope, activity, format);
  } catch (error) {
    if (isTypeError(error)) return error;
    throw error;
  }
}

function keyOf(
  scope: PersistedScope,
  activity: TurnActivity,
  format: KeyFormat = "compat",
): string {
  if (typeof activity !== "object" || activity === null)
    throw new TypeError(`an activity must be an object, received ${typeof activity}`);
  const isUser = scope === "user";
  const id = isUser ? activity.from?.id : activity.conversation?.id;
  const { channelId, recipient } = activity;
  const segments = [channelId, recipient?.id, isUser ? "users" : "conversations", id];
  if (!segments.every((segment) => typeof segment === "string" && segment !== "")) {
    const fields = `channelId, recipient.id, ${isUser ? "from.id" : "conversation.id"}`;
    throw new TypeError(`Activity missing required fields for ${scope} key: ${fields}`);
  }
  if (format === "compat") return segments.join("/");
  return segments.map((segment) => escapeSegment(String(segment))).join("/");
}

function escapeSegment(segment: string): string {
  return segment.replaceAll("%", "%25").replaceAll("/", "%2F");
}
