/**
 * Sends scripts: as one pipeline to the server, or to each node of a Cluster.
 *
 * Invariants
 *  P1  No command touches two slots, and each request gets a reply of its own.
 *  P2  A script that the server forgot is sent as text, with those requests only that nothing else
 *      is known of: a second answer could be a no to what the first said was done.
 *  P3  A slot on its way to another node (ASK, TRYAGAIN) serves no script of several keys: the
 *      caller repeats until it has arrived. After MOVED the table of slots is read anew.
 */
import { CommitUnknownError, type CorruptStateError } from "../../../actors/errors.ts";
import { isNoScript, passesByItself, replyCode } from "./errors.ts";
import { slotOf } from "./keys.ts";
import type { RedisConnection } from "./connection.ts";
import { type AnyRedis, isCluster } from "./open.ts";
import { foreign } from "./reader.ts";
import type { RedisScript } from "./scripts.ts";
import { within } from "../shared/retry-until.ts";

/** A script to run; all its keys are in one slot. */
export interface RedisRequest {
  readonly script: RedisScript;
  readonly keys: readonly [string, ...string[]];
  readonly args: readonly string[];
  /** It changes nothing, so there is nothing of it to confirm. */
  readonly isRead?: boolean;
}

/** What came back for one request. */
export type RedisReply = { readonly value: unknown } | { readonly error: unknown };

/** A command that follows the requests on their node, as WAIT does. */
export interface Confirmation {
  readonly command: readonly [name: string, ...args: string[]];
  /** What is missing in its answer; `undefined` when it says enough. */
  readonly missing: (answer: unknown) => string | undefined;
}

interface Route {
  readonly link: RedisConnection;
  readonly client: AnyRedis;
  readonly deadline: number;
  readonly confirmation: Confirmation | undefined;
}

/** Runs all requests. Rejects only when none was sent. */
export async function sendAll(
  requests: readonly RedisRequest[],
  route: Omit<Route, "client">,
): Promise<RedisReply[]> {
  const client = await route.link.ready(route.deadline);
  const replies = new Map<RedisRequest, RedisReply>();
  const send = async (group: readonly RedisRequest[]): Promise<void> => {
    const answers = await sendGroup(group, { ...route, client });
    for (const [at, request] of group.entries()) replies.set(request, answers[at] ?? NO_REPLY);
  };
  await Promise.all(byNode(client, requests).map(send));
  return requests.map((request) => replies.get(request) ?? NO_REPLY);
}

/** From here on sending and storing may be what takes the time. */
const MUCH_BYTES = 2 ** 20;
const NO_REPLY: RedisReply = { error: new Error("no reply") };

function byNode(client: AnyRedis, requests: readonly RedisRequest[]): RedisRequest[][] {
  if (!isCluster(client)) return [[...requests]];
  const prefix = client.options.keyPrefix ?? "";
  const groups = new Map<string, RedisRequest[]>();
  for (const request of requests) {
    const slot = slotOf(prefix + request.keys[0]);
    // ioredis takes a pipeline only for slots that are served by the very same nodes.
    const nodes = client.slots[slot]?.join(";") ?? "";
    const group = groups.get(nodes);
    if (group === undefined) groups.set(nodes, [request]);
    else group.push(request);
  }
  return [...groups.values()];
}

async function sendGroup(requests: readonly RedisRequest[], route: Route): Promise<RedisReply[]> {
  const replies = await pipeline(requests, route, false);
  const forgotten = requests.filter((_, at) => isForgotten(replies[at]));
  if (forgotten.length > 0) {
    const notified = (await pipeline(forgotten, route, true)).values();
    for (const [at, reply] of replies.entries())
      if (isForgotten(reply)) replies[at] = notified.next().value ?? NO_REPLY;
  }
  const codes = new Set(replies.map((reply) => "error" in reply && replyCode(reply.error)));
  if (codes.has("MOVED") && isCluster(route.client)) route.client.refreshSlotsCache();
  // After a failover the same name may lead to the new primary.
  if (codes.has("READONLY")) route.link.renew();
  return replies;
}

function isForgotten(reply: RedisReply | undefined): boolean {
  return reply !== undefined && "error" in reply && isNoScript(reply.error);
}

async function pipeline(
  requests: readonly RedisRequest[],
  route: Route,
  asText: boolean,
): Promise<RedisReply[]> {
  const { client } = route;
  const isWriting = requests.some(({ isRead }) => isRead !== true);
  const confirmation = isWriting ? route.confirmation : undefined;
  const batch = client.pipeline();
  const notified = new Set<RedisScript>();
  for (const { script, keys, args } of requests) {
    // The first of a kind brings the text along, the others find it there.
    if (asText && !notified.has(script)) batch.eval(script.text, keys.length, ...keys, ...args);
    else batch.evalsha(script.sha, keys.length, ...keys, ...args);
    notified.add(script);
  }
  if (confirmation !== undefined) {
    const [name, ...args] = confirmation.command;
    batch.call(name, ...args);
  }
  const late = (): Error => new NoAnswerError(lateText(requests));
  try {
    const answers = (await within(route.deadline, batch.exec(), late)) ?? [];
    const replies = answers.map(([error, value], at): RedisReply =>
      error
        ? { error: replyCode(error) === "WRONGTYPE" ? foreignAt(requests[at]) : error }
        : { value },
    );
    return confirmation === undefined ? replies : confirmed(requests, replies, confirmation);
  } catch (error) {
    if (error instanceof NoAnswerError) route.link.renew();
    return requests.map(() => ({ error }));
  }
}

function foreignAt(request: RedisRequest | undefined): CorruptStateError {
  return foreign(`${request?.keys[0] ?? "of the store"} or one that begins so`);
}

class NoAnswerError extends Error {}

/** Says how much it was: a large value may only need more time. */
function lateText(requests: readonly RedisRequest[]): string {
  const texts = requests.flatMap(({ keys, args }) => [...keys, ...args]);
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const advice = bytes < MUCH_BYTES ? "" : "; raise timeoutMs";
  return `${bytes} bytes were sent and not answered in time${advice}`;
}

/** Takes the answer of the confirmation off; what took effect without it is unknown. */
function confirmed(
  requests: readonly RedisRequest[],
  replies: readonly RedisReply[],
  confirmation: Confirmation,
): RedisReply[] {
  const own = replies.slice(0, -1);
  const failure = failureOf(replies.at(-1) ?? NO_REPLY, confirmation);
  if (failure === undefined) return own;
  return own.map((reply, at) =>
    "error" in reply || requests[at]?.isRead === true ? reply : { error: failure },
  );
}

function failureOf(last: RedisReply, { command, missing }: Confirmation): unknown {
  const [name] = command;
  if (!("error" in last)) {
    const lack = missing(last.value);
    return lack && new CommitUnknownError({ cause: new Error(`${name}: ${lack}`) });
  }
  const code = replyCode(last.error);
  if (code === undefined) return last.error;
  const cause = new Error(`${name} was refused (${code})`);
  // Either way the writes may be there. As a reply without a word of the server it is repeated.
  return passesByItself(code) ? cause : new CommitUnknownError({ cause });
}
