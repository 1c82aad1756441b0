/**
 * The scopes that the code of an exclusive section uses: the operations of a scope, by held calls.
 *
 * Invariants
 *  H1  A held scope has every operation of its scope: those of the scope's class are taken over as
 *      they are, and call `mutate` and `submit` of the held scope.
 *  H2  State and version are those of the scope: what is stored, or resolved, and nothing else.
 *  H3  A section ends when its changes are stored, those of a checkpoint scope too: the next owner
 *      of the record builds on them.
 */
import { done } from "../../actors/scope/admission.ts";
import { isHoldfastError } from "../../actors/errors.ts";
import type { Claim, Claimable, ClaimedScope } from "../../actors/scope/claim.ts";
import { type ExclusiveOptions, ExclusiveSection } from "../../actors/scope/exclusive.ts";
import type { ExclusiveTask } from "../../actors/scope/mailbox.ts";
import { type Mutation, READ } from "../../actors/scope/mutation.ts";
import { checkSignal, refuseUnknown, type ScopeSettings } from "../../actors/scope/options.ts";
import { timeLimitOf } from "../../actors/scope/timeouts.ts";
import { type Recipe, RecipeMutation } from "../../actors/scope/recipe.ts";
import { deleteWork, refreshWork } from "../../actors/scope/tasks.ts";
import { TimeLimit } from "../../actors/scope/time-limit.ts";
import { systemClock } from "../../actors/time/clock.ts";
import type { PastSource } from "./past.ts";
import type { Timekeeper, TimerCaller } from "./timer-types.ts";
import type { MutationContext, MutationOptions, ScopeIdentity } from "../../actors/protocol.ts";

/** A scope whose section uses a held scope. */
export interface Sectionable extends Claimable {
  readonly settings: ScopeSettings;
  /** The operations of the scope by held calls. */
  heldBy(calls: Claim): object;
}

/** The scope under a held scope. */
interface HeldSource extends ClaimedScope {
  readonly state: object;
  flush(): Promise<void>;
  readonly past: PastSource;
  readonly timekeeper: Timekeeper;
  heldBy(calls: Claim): object;
  through(
    mutation: Mutation,
    submit: (work: Mutation) => Promise<boolean>,
    caller: TimerCaller,
  ): Promise<boolean>;
}

/** The operations of the kernel; see the head of this file. */
class HeldOperations implements Sectionable {
  readonly #scope: HeldSource;
  readonly #calls: Claim;

  constructor(scope: HeldSource, calls: Claim) {
    this.#scope = scope;
    this.#calls = calls;
  }

  /** The held calls of a held scope; `undefined` for another scope. */
  static callsOf(scope: object): Claim | undefined {
    return #calls in scope ? scope.#calls : undefined;
  }

  /** Stores the changes of a section that ends (H3). */
  static async store(held: object): Promise<void> {
    if (!(#calls in held)) return;
    await held.flush().catch((error: unknown) => {
      // A lease that is lost: the changes are repeated on the newer record after the section.
      if (held.#calls.refusal === null) throw error;
    });
  }

  get identity(): ScopeIdentity {
    return this.#scope.identity;
  }

  get settings(): ScopeSettings {
    return this.#scope.settings;
  }

  get state(): object {
    return this.#scope.state;
  }

  get version(): number {
    return this.#scope.version;
  }

  get past(): PastSource {
    return this.#scope.past;
  }

  get timekeeper(): Timekeeper {
    return this.#scope.timekeeper;
  }

  mutate(mutation: Mutation, options?: MutationOptions): Promise<boolean> {
    return this.#scope.through(mutation, (work) => this.#calls.submit(work, options), this);
  }

  submit(work: Mutation | ExclusiveTask, options?: MutationOptions): Promise<boolean> {
    return this.#calls.submit(work, options);
  }

  claim(options?: MutationOptions): Promise<Claim> {
    return this.#calls.claim(options);
  }

  heldBy(calls: Claim): object {
    return this.#scope.heldBy(calls);
  }

  update(recipe: Recipe<object>, options?: MutationOptions): Promise<boolean> {
    return this.mutate(new RecipeMutation(recipe), options);
  }

  delete(options?: MutationOptions): Promise<boolean> {
    return this.submit(deleteWork(this.#scope), options);
  }

  refresh(): Promise<void> {
    return done(this.submit(refreshWork(this.#scope)));
  }

  async flush(): Promise<void> {
    await this.#calls.settled();
    const { refusal } = this.#calls;
    if (refusal !== null) throw refusal;
    try {
      await this.#scope.flush();
    } catch (error) {
      if (!isHoldfastError(error, "REENTRANT_MUTATION")) throw error;
      // Another writer was first, and the write would wait for the section: this reads instead.
      this.#scope.stale = true;
      await this.submit(READ);
      await this.flush();
    }
  }
}

/** The prototype of the held scopes of each class. */
const prototypes = new WeakMap<object, object>();

/** The operations of `scope` by held calls; `operations`: the prototype that has its own (H1). */
export function heldView(scope: HeldSource, calls: Claim, operations: object): object {
  const held = new HeldOperations(scope, calls);
  Object.setPrototypeOf(held, prototypeOf(operations));
  return held;
}

function prototypeOf(operations: object): object {
  const known = prototypes.get(operations);
  if (known !== undefined) return known;
  const all = Object.getOwnPropertyDescriptors(operations);
  const added = Object.entries(all).filter(([name]) => !(name in HeldOperations.prototype));
  const made: object = Object.create(HeldOperations.prototype, Object.fromEntries(added));
  prototypes.set(operations, made);
  return made;
}

/** What a section runs; it receives held scopes. */
type SectionWork<T> = (held: object[], context: MutationContext) => T | Promise<T>;

/**
 * Runs `work` in an exclusive section of scopes and their records, in the order of their keys, each
 * once; `work` receives held scopes in the order given. The section lasts until all held calls have
 * ended, also those that `work` does not await.
 */
export function withScopes<T>(
  scopes: readonly Sectionable[],
  work: SectionWork<T>,
  options: ExclusiveOptions = {},
  ordered: readonly Sectionable[] = scopes,
): Promise<T> {
  const end = inSection(ordered, options, (held, context) =>
    work(
      scopes.map((scope) => held.get(scope) ?? {}),
      context,
    ),
  );
  // A stop is intended: a rejection that no caller handles must not end the process.
  const promise = new Promise<T>((resolve, reject) => {
    end.then(resolve, (error: unknown) => {
      reject(error);
      if (isHoldfastError(error, "SCOPE_STOPPED")) promise.catch(() => undefined);
    });
  });
  return promise;
}

async function inSection<T>(
  scopes: readonly Sectionable[],
  options: ExclusiveOptions,
  work: (held: ReadonlyMap<Sectionable, object>, context: MutationContext) => T | Promise<T>,
): Promise<T> {
  refuseUnknown("an exclusive section", options, ["signal", "timeoutMs"]);
  const { signal } = options;
  checkSignal(signal);
  signal?.throwIfAborted();
  // The settings of the wait are the same for all scopes of a runtime.
  const [first] = scopes;
  const { clock = systemClock, mutationTimeoutMs = Infinity } = first?.settings ?? {};
  const timeoutMs = timeLimitOf(options, { mutationTimeoutMs });
  const scope = first?.identity;
  const section = new ExclusiveSection(scopes.map((each) => HeldOperations.callsOf(each) ?? each));
  await section.acquireWithin(
    new TimeLimit({ signal, clock, timeoutMs, phase: "queued", scope }),
    true,
  );
  const { calls } = section;
  const held = new Map(scopes.map((each, at) => [each, viewOf(each, calls[at])]));
  const storeAll = (): Promise<void[]> => Promise.all(Array.from(held.values(), storeChanges));
  try {
    return await section.run(1, async (context) => {
      try {
        const end = await (async () => work(held, context))().catch(async (error: unknown) => {
          await storeAll().catch(() => undefined); // Its failure is reported as any of the scope.
          throw error;
        });
        await storeAll();
        return end;
      } finally {
        while (calls.some(({ busy }) => busy))
          await Promise.all(calls.map((each) => each.settled()));
      }
    });
  } finally {
    await section.finish();
  }
}

const storeChanges = (held: object): Promise<void> => HeldOperations.store(held);

function viewOf(scope: Sectionable, calls: Claim | undefined): object {
  return calls === undefined ? {} : scope.heldBy(calls); // There is one for each scope.
}
