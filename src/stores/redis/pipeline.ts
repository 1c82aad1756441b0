/**
 * Sends scripts: as one pipeline to the server, or to each node of a Cluster.
 *
 * Invariants
 *  P1  No command touches two slots, and each request gets a reply of its own.
 *  P2  A script that the server forgot is sent as text, only with those requests that have no other
 *      reply yet: a second reply could refuse what the first acknowledged.
 *  P3  A slot that moves to another node (ASK, TRYAGAIN) serves no script of several keys: the
 *      caller retries until it has moved. After MOVED the table of slots is read again.
 */
import type { Cluster } from "ioredis";
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
  /** It changes nothing, so there is nothing to confirm. */
  readonly isRead?: boolean;
}

/** The reply to one request. */
export type RedisReply = { readonly value: unknown } | { readonly error: unknown };

/** A command that follows the requests on their node, such as WAIT. */
export interface Confirmation {
  readonly command: readonly [name: string, ...args: string[]];
  /** What its reply lacks; `undefined` when it is enough. */
  readonly missing: (reply: unknown) => string | undefined;
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
  if (!isCluster(client)) {
    const received = await sendGroup(requests, { ...route, client });
    return requests.map((_, at) => received[at] ?? NO_REPLY);
  }
  const replies = new Map<RedisRequest, RedisReply>();
  const send = async (group: readonly RedisRequest[]): Promise<void> => {
    const received = await sendGroup(group, { ...route, client });
    for (const [at, request] of group.entries()) replies.set(request, received[at] ?? NO_REPLY);
  };
  await Promise.all(byNode(client, requests).map(send));
  return requests.map((request) => replies.get(request) ?? NO_REPLY);
}

/** From this size on, sending and storing may take most of the time; bytes. */
const MUCH_BYTES = 2 ** 20;
const NO_REPLY: RedisReply = { error: new Error("no reply") };

function byNode(client: Cluster, requests: readonly RedisRequest[]): RedisRequest[][] {
  const prefix = client.options.keyPrefix ?? "";
  const groups = new Map<string, RedisRequest[]>();
  for (const request of requests) {
    const slot = slotOf(prefix + request.keys[0]);
    // ioredis accepts a pipeline only for slots that the very same nodes serve.
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
    // The first of a kind carries the text, the others find it in the cache.
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
    const results = (await within(route.deadline, batch.exec(), late)) ?? [];
    const replies = results.map(([error, value], at): RedisReply =>
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

/** States the size: a large value may only need more time. */
function lateText(requests: readonly RedisRequest[]): string {
  const texts = requests.flatMap(({ keys, args }) => [...keys, ...args]);
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const advice = bytes < MUCH_BYTES ? "" : "; raise timeoutMs";
  return `${bytes} bytes were sent and got no reply in time${advice}`;
}

/** Removes the reply of the confirmation; a write without it has an unknown outcome. */
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
  // Either way the writes may be there. A plain `Error`, which is no reply, is retried.
  return passesByItself(code) ? cause : new CommitUnknownError({ cause });
}
