/** Calls from a state's methods to its keys, and errors on the way back to the caller. */
import { isHoldfastError } from "../../../actors/errors.ts";
import type { MutationOptions } from "../../../actors/protocol.ts";
import { SearchError } from "./search/search-error.ts";
import type { Backend, TextRecipe } from "./backend.ts";
import type { Command, Reply } from "./command.ts";
import { checkName, KEY_LENGTH_MAX } from "./encode.ts";
import { Failure, VcrStateError, type VcrErrorSource } from "./error.ts";
import { spacePrefix, sharedName, type Space, type Target } from "./space.ts";
import { Session, type SessionHome } from "./session.ts";

/** Calls commands on the keys of one state. */
export class Caller {
  readonly #home: SessionHome;
  readonly #space: Space;

  constructor(session: unknown, namespace: string) {
    const home = Session.homeOf(session);
    const shared = home.shared && namespace !== "";
    this.#home = home;
    this.#space = {
      prefix: shared ? spacePrefix(sharedName(namespace), "") : spacePrefix(home.scope, namespace),
      endsAt: shared ? () => Promise.resolve(0) : home.endsAt,
    };
  }

  /** True when list values are compared by content. */
  get deep(): boolean {
    return this.#home.deep;
  }

  /** The namespace that a state without a namespace shows. */
  get label(): string {
    return this.#home.label;
  }

  /** Runs a command. Arguments are checked and copied before this returns. */
  run(op: string, key: string, make: () => Command): Promise<Reply> {
    return named({ op, key }, async () => {
      const target = this.#target(key);
      const command = make();
      return this.#home.backend().run(target, command);
    });
  }

  /** Runs a command whose reply is a text. */
  async text(op: string, key: string, make: () => Command): Promise<string> {
    return String(await this.run(op, key, make));
  }

  /** Runs a command whose reply is a text or nothing. */
  async textOrNull(op: string, key: string, make: () => Command): Promise<string | null> {
    const reply = await this.run(op, key, make);
    return typeof reply === "string" ? reply : null;
  }

  /** Runs a command whose reply is a list; nothing counts as an empty one. */
  async list(op: string, key: string, make: () => Command): Promise<(string | null)[]> {
    const reply = await this.run(op, key, make);
    const items: readonly Reply[] = Array.isArray(reply) ? reply : [];
    return items.map((item) => (typeof item === "string" ? item : null));
  }

  /** Replaces a text; `undefined` = there is none. */
  update(
    key: string,
    recipe: TextRecipe,
    options: MutationOptions | undefined,
  ): Promise<string | undefined> {
    return named({ op: "update", key }, async () =>
      this.#home.backend().update(this.#target(key), recipe, options),
    );
  }

  /** Runs work on all keys of the state. */
  space<T>(
    source: VcrErrorSource,
    work: (backend: Backend, space: Space) => Promise<T>,
  ): Promise<T> {
    return named(source, async () => work(this.#home.backend(), this.#space));
  }

  #target(key: string): Target {
    const id = this.#space.prefix + checkName(key, "a key");
    if (id.length > KEY_LENGTH_MAX)
      throw new Failure("BAD_KEY", `a key with its scope has at most ${KEY_LENGTH_MAX} characters`);
    return { space: this.#space, key, id };
  }
}

/** Adds the names of the method and the key to an error. */
async function named<T>(source: VcrErrorSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw withSource(error, source);
  }
}

/**
 * An error of this library with its method and key; an error of the caller's own code is unchanged.
 */
export function withSource(error: unknown, { op, key }: VcrErrorSource): unknown {
  const source = { op, key: typeof key === "string" ? key : "" };
  if (error instanceof Failure) return new VcrStateError(error, source);
  if (error instanceof SearchError)
    return new VcrStateError(
      new Failure(error.code, error.message, { cause: error, offset: error.offset }),
      source,
    );
  // A recipe may call other states: their errors have a method and a key already.
  if (error instanceof VcrStateError || !isHoldfastError(error)) return error;
  return new VcrStateError(new Failure(error.code, error.message, { cause: error }), source);
}
