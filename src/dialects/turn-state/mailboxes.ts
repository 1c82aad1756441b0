/**
 * Mailboxes of documents outside a runtime: one per location and key. A mailbox exists only while
 * it is in use.
 */
import { ScopeActor } from "../../../actors/scope/scope.ts";
import { scopeSettings } from "../../../actors/scope/options.ts";
import type { Mailbox } from "./vault.ts";

const EMPTY = Object.freeze({});
const settings = scopeSettings({}, { checks: null });

interface Shared {
  readonly actor: ScopeActor;
  users: number;
}

const boxes = new Map<string, Shared>();

/** The mailbox of a document. Two storages of the same location share it. */
export function mailboxAt(location: string, key: string): Mailbox {
  const name = `${location}\n${key}`; // No location name has a line break.
  let shared = boxes.get(name);
  if (shared === undefined) {
    const identity = { type: "turn", id: key };
    const actor = new ScopeActor({
      identity,
      settings,
      bridge: null,
      state: EMPTY,
      initial: EMPTY,
      version: 0,
    });
    shared = { actor, users: 0 };
    boxes.set(name, shared);
  }
  const box = shared;
  box.users += 1;
  return {
    actor: box.actor,
    done() {
      box.users -= 1;
      // The mailbox has no user, so a new one under this name is equivalent.
      if (box.users === 0) boxes.delete(name);
    },
  };
}

/** The number of mailboxes in use. */
export function mailboxCount(): number {
  return boxes.size;
}

let named = 0;
const names = new WeakMap<object, string>();

/** A location name for an object that stores documents itself. */
export function locationOf(owner: object): string {
  let name = names.get(owner);
  if (name === undefined) {
    named += 1;
    name = `object-${named}`;
    names.set(owner, name);
  }
  return name;
}
