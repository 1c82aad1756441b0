/**
 * What a turn needs of a place where documents are kept, beyond the three verbs of a storage: to
 * see whether a document changed, to replace it only if it did not, and a mailbox per document.
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
  /** Something is stored, damaged or not. */
  readonly exists: boolean;
  /** Tells whether the document changed since; known only to its vault. */
  readonly stamp: unknown;
  /** Why it cannot be read. */
  readonly corrupt?: CorruptStateError | undefined;
}

/** One document to replace, if it still is what was found. */
export interface Swap {
  readonly key: string;
  readonly found: Found;
  /** The document from now on; `undefined` deletes it. */
  readonly next: JsonObject | undefined;
  /** What `next` changes of what was found. */
  readonly edit: Edit;
}

/** What came of a swap: what is stored now, or `null` when this document was not replaced. */
export type Swapped = Found | null;

/** How a swap is made. */
export interface SwapTurn {
  /** The section that has the mailboxes. */
  readonly section: ExclusiveSection;
  /** They have been held since the documents were read. */
  readonly heldSinceRead: boolean;
}

/** The mailbox of a document. */
export interface Mailbox {
  readonly actor: ScopeActor;
  /** Whoever asked for it needs it no longer. */
  done(): void;
}

/** A place where documents are kept. */
export interface Vault {
  /** Runs work of several steps as one, so that a runtime closes after it; absent without one. */
  call?<T>(work: () => Promise<T>): Promise<T>;
  /** Names a document in errors. */
  locate(key: string): string;
  mailbox(key: string): Promise<Mailbox>;
  /**
   * Reads documents, in order; a damaged one is found and not thrown. `isHeld` says whether the
   * caller still has their mailboxes; `null` when he asks without.
   */
  find(keys: readonly string[], isHeld: (() => boolean) | null): Promise<Found[]>;
  /** Replaces documents; where the place can, all or none. */
  swap(swaps: readonly Swap[], turn: SwapTurn): Promise<Swapped[]>;
  /**
   * Moves a damaged document out of the way, answers where to; absent where that cannot be done.
   */
  setAside?(key: string, found: Found): Promise<string>;
  /** Writes documents whatever is there. */
  write(values: ReadonlyMap<string, Json>): Promise<void>;
  /** Removes documents; a missing one is no error. */
  remove(keys: readonly string[]): Promise<void>;
}
