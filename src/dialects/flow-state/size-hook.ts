/**
 * The size options of a container, at the entry points where earlier versions of the original took
 * them.
 */
import { createChecks, type CheckOptions } from "../../../actors/scope/validation.ts";
import { causeHere } from "../../../actors/scope/cascade.ts";
import { safeCall } from "../../../actors/scope/safe-call.ts";
import type { ContainerScope } from "./container.ts";

/** When a state counts as large, and the hook for it. */
export type SizeOptions = Pick<CheckOptions, "maxStateSizeBytes" | "onStateSizeWarning">;

/**
 * The function to call with each saved state, or `null` without size options. An error of the
 * caller's hook is logged. Throws `RangeError` for NaN.
 */
export function sizeHook(
  scope: ContainerScope,
  { maxStateSizeBytes, onStateSizeWarning }: SizeOptions,
): ((state: object) => void) | null {
  const checks = createChecks({ maxStateSizeBytes, onStateSizeWarning });
  if (checks === null) return null;
  const { identity, settings } = scope;
  return (state) =>
    safeCall(
      () => checks.warn(state, identity, causeHere()),
      (error) => settings.logger.error("onStateSizeWarning threw", { scope: identity, error }),
    );
}
