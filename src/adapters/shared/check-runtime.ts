/** The option that each adapter has. */
import type { Runtime } from "../../runtime/runtime.ts";

/** Throws `TypeError` for a runtime that is none; `where` begins the message. */
export function checkRuntime(where: string, runtime: Runtime): void {
  // A caller in JavaScript may pass what the types forbid.
  if (typeof Object(runtime).declare === "function") return;
  throw new TypeError(`${where} needs { runtime }, as createRuntime gives it`);
}
