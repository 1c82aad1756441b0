/**
 * Types that follow the kinds of a runtime: which names it opens, and with which state.
 *
 * `Runtime` without a type argument has kinds that are not known to the compiler: it opens every
 * name, with the state that the caller names.
 */
import type { RuntimeFeedItem, StateChange } from "../../actors/protocol.ts";
import type { Draft } from "../../actors/state-types.ts";
import type { Kind, KindOptions } from "./kinds.ts";
import type { ListedScope, ListedState } from "./list.ts";
import type { HeldScope, Scope } from "./scope.ts";
import type { ExecutionContext } from "./session/execution.ts";

/** The built-in kinds that `open` takes. */
type BuiltInName = "request" | "session" | "user" | "org" | "temp";

/** The state of a kind that declares none. */
type AnyFields = Record<string, unknown>;

/** The state that a kind declares by its schema or its initial state; else any fields. */
export type KindState<One> = FieldsOf<DeclaredState<One>>;

/** Of a kind that `defineKind` made, its type argument; of a plain object, by its fields. */
type DeclaredState<One> =
  One extends Kind<infer S> ? S : One extends KindOptions<infer S> ? S : object;

type FieldsOf<S> = [keyof S] extends [never] ? AnyFields : S;

/** The state of the scopes of a name. */
export type StateOfName<K, Name> = Name extends keyof K ? KindState<K[Name]> : AnyFields;

/** The names of the timers that a kind declares; `string` where the compiler does not know. */
export type TimerNames<K, Name> = Name extends keyof K ? NamesOf<K[Name]> : string;

type NamesOf<One> = One extends { readonly timers: infer Handlers extends object }
  ? keyof Handlers & string
  : One extends Kind<never, infer Names>
    ? Names
    : string;

/** The names of a runtime's kinds, those of sequencer runs included; `string` when not known. */
export type KindName<K> = string extends keyof K
  ? string
  : (keyof K & string) | BuiltInName | "sequencer";

/** The names whose scopes `open` gives with the state of their kind. */
export type TypedName<K> = string extends keyof K
  ? never
  : Exclude<DeclaredName<K>, UntypedName<K>>;

/** The names whose scopes `open<S>` gives with the state that the caller names. */
export type FreeName<K> = string extends keyof K
  ? string
  : Exclude<BuiltInName, keyof K> | UntypedName<K>;

/** The typed names whose state is an `S`, and the reverse. */
export type NameOfState<K, S> = {
  [Name in TypedName<K>]: [S, KindState<K[Name]>] extends [KindState<K[Name]>, S] ? Name : never;
}[TypedName<K>];

/** Runs are declared as a kind, too, and `open` refuses them. */
type DeclaredName<K> = Exclude<keyof K & string, "sequencer">;

/** Names of the declared kinds that declare no state. */
type UntypedName<K> = {
  [Name in DeclaredName<K>]: string extends keyof KindState<K[Name]> ? Name : never;
}[DeclaredName<K>];

/** What `subscribe` of a runtime receives. */
export type KindChange<K> = StateChange<StateOfName<K, KindName<K>>, KindName<K>>;

/** What `changes()` of a runtime yields. */
export type KindFeedItem<K> = RuntimeFeedItem<StateOfName<K, KindName<K>>, KindName<K>>;

/** The entries of `list(options)`. */
export type EntryOf<K, Options> = Options extends { readonly states: true }
  ? StateEntry<K, Exclude<NameIn<K, Options>, "sequencer">>
  : ListedScope<NameIn<K, Options>>;

type NameIn<K, Options> = Options extends { readonly type: infer Name extends string }
  ? Name
  : KindName<K>;

/** One member for each name. */
type StateEntry<K, Name> = Name extends string ? ListedState<Name, StateOfName<K, Name>> : never;

/** Scopes of any state. */
export type AnyScopes = readonly { readonly state: object }[];

/** What is held of several scopes in an exclusive section, in their order. */
export type HeldOf<Scopes extends AnyScopes> = {
  [I in keyof Scopes]: HeldScope<Scopes[I] extends Scope<infer S> ? S : object>;
};

/** The drafts of several scopes, in their order. */
export type DraftsOf<Scopes extends AnyScopes> = {
  [I in keyof Scopes]: Draft<Scopes[I] extends Scope<infer S> ? S : object>;
};

/** The scopes of an execution. */
export type KindExecution<K> = ExecutionContext<
  StateOfName<K, "session">,
  StateOfName<K, "user">,
  StateOfName<K, "request">,
  StateOfName<K, "org">
>;
