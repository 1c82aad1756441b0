/** The accepted forms of a storage, and the vault behind each. */
import { Runtime } from "../../runtime/runtime.ts";
import { PlainVault } from "./plain-vault.ts";
import { RuntimeVault } from "./runtime-vault.ts";
import { keepVault, knownVault, type Storage } from "./storage.ts";
import type { Vault } from "./vault.ts";

/** A storage, or the runtime that stores the documents. */
export type StorageLike = Storage | { readonly runtime: Runtime };

/** The vault behind a storage; one per object. Throws `TypeError` for any other value. */
export function vaultOf(storage: StorageLike): Vault {
  if (typeof storage !== "object" || storage === null)
    throw new TypeError(`a storage must be an object, received ${typeof storage}`);
  const owner = "runtime" in storage ? storage.runtime : storage;
  const known = knownVault(owner);
  if (known !== undefined) return known;
  if (owner instanceof Runtime) return keepVault(owner, new RuntimeVault(owner));
  if (isStorage(owner)) return keepVault(owner, new PlainVault(owner));
  throw new TypeError("a storage has the methods read, write and delete");
}

function isStorage(value: unknown): value is Storage {
  if (typeof value !== "object" || value === null) return false;
  return ["read", "write", "delete"].every(
    (name) => typeof Reflect.get(value, name) === "function",
  );
}
