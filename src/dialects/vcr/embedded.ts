/**
 * Stores keys in a runtime: one scope, and so one mailbox, per key.
 *
 * Invariants
 *  M1  A runtime has one backend, so that two vcr objects on it share the indexes.
 *  M2  Calls on a key enter its mailbox in the order in which they were made, also before its scope
 *      is loaded.
 *  M3  The indexes of a space are updated in the same tick in which a write is confirmed.
 *  M4  `keys` and `search` see every write that was called before them.
 */
import type { MutationOptions } from "../../../actors/protocol.ts";
import type { SearchResult } from "./search/result.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import { asCall } from "../../runtime/calls.ts";
import { residentOf } from "../../runtime/handle.ts";
import type { ResidentScope } from "../../runtime/resident-scope.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { sessionEnd, type Backend, type TextRecipe } from "./backend.ts";
import type { Command, Reply } from "./command.ts";
import { livesUntil, type EntryContext } from "./entry.ts";
import { EmbeddedIndexes } from "./embedded-index.ts";
import type { IndexDefinition, StateSearchOptions } from "./index-option.ts";
import { CommandMutation, TextMutation } from "./mutation.ts";
import { Pending } from "./pending.ts";
import type { Space, Target } from "./space.ts";

const KEY_TYPE = "vcr";
const SESSION_TYPE = "vcr-session";
/** The number of ids in one page of a list. */
const PAGE = 1_000;

interface SessionState {
  endsAt?: number;
}

const sessionKind: Kind<SessionState> = defineKind({
  livesUntil: (state: SessionState) => state.endsAt ?? 0,
});

const known = new WeakMap<Runtime, EmbeddedBackend>();

/** Stores keys in a runtime. */
export class EmbeddedBackend implements Backend {
  readonly #runtime: Runtime;
  readonly #indexes: EmbeddedIndexes;
  readonly #opening = new Map<string, Promise<ResidentScope>>();
  readonly #pending = new Pending();

  /** The backend of a runtime. Throws `TypeError` when it has other kinds of these names. */
  static of(runtime: Runtime): EmbeddedBackend {
    const found = known.get(runtime) ?? new EmbeddedBackend(runtime);
    known.set(runtime, found);
    return found;
  }

  private constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#indexes = new EmbeddedIndexes({
      runtime,
      list: (prefix) => this.#list(prefix),
      open: (id) => this.#open(id),
    });
    const observe = (id: string, state: object): void => this.#indexes.observe(id, state);
    runtime.declare(KEY_TYPE, defineKind({ livesUntil, observe }));
    runtime.declare(SESSION_TYPE, sessionKind);
  }

  now(): number {
    return this.#runtime.clock.now();
  }

  run(target: Target, command: Command): Promise<Reply> {
    const call = this.#call(() => this.#run(target, command));
    return this.#pending.track(target.space.prefix, call);
  }

  update(
    target: Target,
    recipe: TextRecipe,
    options: MutationOptions | undefined,
  ): Promise<string | undefined> {
    const call = this.#call(() => this.#update(target, recipe, options));
    return this.#pending.track(target.space.prefix, call);
  }

  keys(space: Space): Promise<string[]> {
    return this.#call(async () => {
      await this.#pending.settled(space.prefix);
      const keys: string[] = [];
      for await (const ids of this.#list(space.prefix))
        for (const id of ids) keys.push(id.slice(space.prefix.length));
      return keys;
    });
  }

  claimSession(id: string, endsAt: number): Promise<number> {
    return this.#call(async () => {
      const scope = await this.#runtime.open<SessionState>(SESSION_TYPE, id);
      const endOf = (state: SessionState): number =>
        (state.endsAt ?? 0) > this.now() ? (state.endsAt ?? 0) : 0;
      if (endsAt === 0) return endOf(scope.state);
      // What was stored, also when it is over by now: a session without an end would stay.
      return scope.transact((draft) => (draft.endsAt = endOf(draft) || endsAt));
    });
  }

  createIndex(space: Space, name: string, definition: IndexDefinition): Promise<void> {
    return this.#call(() => this.#indexes.create(space.prefix, name, definition));
  }

  dropIndex(space: Space, name: string, withDocuments: boolean): Promise<void> {
    return this.#call(async () => {
      await this.#pending.settled(space.prefix);
      const keys = await this.#indexes.drop(space.prefix, name);
      if (!withDocuments) return;
      const remove: Command = { name: "DEL", args: [] };
      const targets = keys.map((key) => ({ space, key, id: space.prefix + key }));
      await Promise.all(targets.map((target) => this.run(target, remove)));
    });
  }

  search(
    space: Space,
    name: string,
    query: { readonly text: string; readonly options: StateSearchOptions },
  ): Promise<SearchResult> {
    return this.#call(async () => {
      await this.#pending.settled(space.prefix);
      const indexes = await this.#indexes.of(space.prefix);
      return indexes.search(name, query, this.now());
    });
  }

  close(): Promise<void> {
    return this.#runtime.close();
  }

  /** Work of several steps is one call, so that the runtime waits for it before it closes. */
  #call<T>(work: () => Promise<T>): Promise<T> {
    return asCall(this.#runtime, work);
  }

  async #run(target: Target, command: Command): Promise<Reply> {
    const context = await this.#context(target.space, command);
    const scope = await this.#open(target.id);
    const mutation = new CommandMutation(command, context);
    await scope.mutate(mutation);
    return mutation.reply;
  }

  async #update(
    target: Target,
    recipe: TextRecipe,
    options: MutationOptions | undefined,
  ): Promise<string | undefined> {
    const context = await this.#context(target.space, undefined);
    const scope = await this.#open(target.id);
    const mutation = new TextMutation(recipe, context);
    await scope.mutate(mutation, options);
    return mutation.next;
  }

  /** The time is read when a command runs, not when it is called. */
  async #context(space: Space, command: Command | undefined): Promise<() => EntryContext> {
    const endsAt = await sessionEnd(space, command, () => this.now());
    return () => ({ now: this.now(), endsAt });
  }

  /** Calls made while a scope is loaded wait for that load, in their order (M2). */
  #open(id: string): Promise<ResidentScope> {
    const opening = this.#opening.get(id);
    if (opening !== undefined) return opening;
    const opened = this.#runtime.open(KEY_TYPE, id).then((handle) => {
      this.#opening.delete(id);
      const scope = residentOf(handle);
      if (scope !== undefined) return scope;
      throw new TypeError("the runtime's scopes are not of this copy of the library");
    });
    opened.catch(() => this.#opening.delete(id));
    this.#opening.set(id, opened);
    return opened;
  }

  async *#list(prefix: string): AsyncGenerator<readonly string[], void, undefined> {
    let cursor: string | undefined;
    do {
      const after = cursor === undefined ? {} : { cursor };
      const page = await this.#runtime.list({ type: KEY_TYPE, prefix, limit: PAGE, ...after });
      yield page.ids;
      ({ cursor } = page);
    } while (cursor !== undefined);
  }
}
