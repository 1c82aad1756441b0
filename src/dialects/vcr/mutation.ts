/** Commands and updates as mutations of a key's scope. */
import type { DraftState } from "../../../actors/state/draft-state.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { MutationContext } from "../../../actors/protocol.ts";
import type { TextRecipe } from "./backend.ts";
import type { Command, Reply } from "./command.ts";
import { Entry, readState, textOf, type EntryContext } from "./entry.ts";
import { LIST_COMMANDS } from "./list-command.ts";
import { MAP_COMMANDS } from "./map-command.ts";
import { TEXT_COMMANDS, type Run } from "./text-command.ts";

const RUNS: ReadonlyMap<string, Run> = new Map([
  ...TEXT_COMMANDS,
  ...MAP_COMMANDS,
  ...LIST_COMMANDS,
]);

/** One command; `reply` is the result of its last run. */
export class CommandMutation implements Mutation {
  readonly operation = "update";
  reply: Reply = null;
  readonly #command: Command;
  readonly #context: () => EntryContext;

  constructor(command: Command, context: () => EntryContext) {
    this.#command = command;
    this.#context = context;
  }

  write(draft: DraftState): void {
    const { name, args, deep = false } = this.#command;
    const run = RUNS.get(name);
    if (run === undefined) throw new TypeError(`no command ${name}`);
    this.reply = run(new Entry(draft, this.#context()), args, deep);
  }
}

/** Replaces a text by the result of a recipe; `next` is the new text after the run. */
export class TextMutation implements Mutation {
  readonly operation = "update";
  next: string | undefined;
  readonly #recipe: TextRecipe;
  readonly #context: () => EntryContext;

  constructor(recipe: TextRecipe, context: () => EntryContext) {
    this.#recipe = recipe;
    this.#context = context;
  }

  compute(state: object, context: MutationContext): unknown {
    return this.#recipe(textOf(readState(state, this.#context().now)), context);
  }

  write(draft: DraftState, computed: unknown): void {
    this.next = typeof computed === "string" ? computed : undefined;
    if (this.next === undefined) return;
    const entry = new Entry(draft, this.#context());
    void entry.text; // Throws when it is not a text any more.
    entry.setText(this.next, entry.expiresAt);
  }
}
