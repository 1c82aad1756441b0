/**
 * What a turn needs of a storage beyond the three verbs: whether a document changed, a replacement
 * only if it did not, and a mailbox per document.
 */
import type { CorruptStateError } from "../../../actors/errors.ts";
import type { Json, JsonObject } from "../../../actors/protocol.ts";
import type { ScopeActor } from "../../../actors/scope/scope.ts";
import type { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import type { Edit } from "./working.ts";

/** What is stored under a key. */
export interface Found {
  /** `undefined`: there is no document, or it is damaged. */
  readonly value: Json | undefined;
  /** A document is stored, damaged or not. */
  readonly exists: boolean;
  /** Shows whether the document changed since; only its vault can read it. */
  readonly stamp: unknown;
  /** Why it cannot be read. */
  readonly corrupt?: CorruptStateError | undefined;
}

/** One document to replace if it is unchanged since it was found. */
export interface Swap {
  readonly key: string;
  readonly found: Found;
  /** The next document; `undefined` deletes it. */
  readonly next: JsonObject | undefined;
  /** The changes from what was found to `next`. */
  readonly edit: Edit;
}

/** The outcome of a swap: what is stored now, or `null` when this document was not replaced. */
export type Swapped = Found | null;

/** How a swap is made. */
export interface SwapTurn {
  /** The section that has acquired the mailboxes. */
  readonly section: ExclusiveSection;
  /** The mailboxes are kept since the documents were read. */
  readonly keptSinceRead: boolean;
}

/** The mailbox of a document. */
export interface Mailbox {
  readonly actor: ScopeActor;
  /** The user of this mailbox needs it no longer. */
  done(): void;
}

/** A storage of documents with compare-and-swap and mailboxes. */
export interface Vault {
  /**
   * Runs work of several steps as one call, so that a runtime closes after it; absent without a
   * runtime.
   */
  call?<T>(work: () => Promise<T>): Promise<T>;
  /** Names a document in errors. */
  locate(key: string): string;
  mailbox(key: string): Promise<Mailbox>;
  /**
   * Reads documents, in order; a damaged one is returned and not thrown. `isAcquired` returns
   * whether the caller still has their mailboxes; `null` when the caller acquired none.
   */
  find(keys: readonly string[], isAcquired: (() => boolean) | null): Promise<Found[]>;
  /** Replaces documents; all or none where the storage can. */
  swap(swaps: readonly Swap[], turn: SwapTurn): Promise<Swapped[]>;
  /**
   * Moves a damaged document away, resolves to its new location; absent where that is impossible.
   */
  setAside?(key: string, found: Found): Promise<string>;
  /** Writes documents unconditionally. */
  write(values: ReadonlyMap<string, Json>): Promise<void>;
  /** Removes documents; a missing one is not an error. */
  remove(keys: readonly string[]): Promise<void>;
}
