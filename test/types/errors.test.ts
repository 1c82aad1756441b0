/** What must compile, and what must not: errors by their codes. */
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  ConcurrentModificationError,
  isHoldfastError,
  type CorruptStateError,
  type ErrorClasses,
  type ErrorCode,
  type HoldfastError,
  type MailboxFullError,
  type RunLeasedError,
  type SuspensionMismatchError,
} from "../../src/index.ts";

const conflict = { attempts: 4, expectedVersion: 1, actualVersion: 2 };

describe("isHoldfastError", () => {
  it("narrows to the class of the code", () => {
    const error: unknown = new ConcurrentModificationError(conflict);
    expect.assertions(2);
    if (isHoldfastError(error, "CONCURRENT_MODIFICATION")) {
      expectTypeOf(error).toExtend<ConcurrentModificationError>();
      expectTypeOf(error.code).toEqualTypeOf<"CONCURRENT_MODIFICATION">();
      expect(error.attempts).toBe(4);
      // @ts-expect-error a field of another class
      expect(error.limit).toBeUndefined();
    }
  });

  it("narrows to the base without a code, and with one that is not known", () => {
    const error: unknown = new ConcurrentModificationError(conflict);
    if (isHoldfastError(error)) expectTypeOf(error).toEqualTypeOf<HoldfastError>();
    const code: ErrorCode = error instanceof Error ? "MAILBOX_FULL" : "RUN_LEASED";
    if (isHoldfastError(error, code as ErrorCode))
      expectTypeOf(error).toEqualTypeOf<HoldfastError>();
    // @ts-expect-error there is no such code
    expect(isHoldfastError(error, "CONFLICT")).toBe(false);
  });

  it("leaves the other errors of the library where the code is another", () => {
    const error = new ConcurrentModificationError(conflict) as HoldfastError;
    if (isHoldfastError(error, "SCOPE_STOPPED"))
      expectTypeOf(error.code).toEqualTypeOf<"SCOPE_STOPPED">();
    else expectTypeOf(error).toEqualTypeOf<HoldfastError>();
    expect(error.code).toBe("CONCURRENT_MODIFICATION");
  });

  it("knows every code", () => {
    expectTypeOf<keyof ErrorClasses>().toEqualTypeOf<ErrorCode>();
    expectTypeOf<ErrorClasses["MAILBOX_FULL"]>().toEqualTypeOf<MailboxFullError>();
    expectTypeOf<ErrorClasses["CORRUPT_STATE"]>().toEqualTypeOf<CorruptStateError>();
    expectTypeOf<ErrorClasses["RUN_LEASED"]>().toEqualTypeOf<RunLeasedError>();
    expectTypeOf<ErrorClasses["SUSPENSION_MISMATCH"]>().toEqualTypeOf<SuspensionMismatchError>();
  });
});
