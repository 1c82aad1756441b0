import { expect, it } from "vitest";
import { MailboxFullError } from "../../actors/errors.ts";

it("an error names the heading that explains it, and prints no more than before", () => {
  const error = new MailboxFullError(1);
  expect(error.help).toBe("docs/errors.md#mailbox_full");
  expect(Object.keys(error)).not.toContain("help");
});
