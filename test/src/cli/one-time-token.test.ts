/** The token of `holdfast inspect`. */
import { describe, expect, it } from "vitest";
import { behindToken } from "../../../src/cli/one-time-token.ts";
import { directly, reply, type Send } from "../../support/http.ts";

function made(): { send: Send; first: string } {
  const served = (): Promise<Response> => Promise.resolve(Response.json("served"));
  const { handler, token } = behindToken(served, "holdfast-1");
  return { send: directly(handler), first: `/?token=${token}` };
}

describe("a token", () => {
  it("counts once, and sets a cookie that no script and no other site has", async () => {
    const { send, first } = made();
    expect((await send("/")).status).toBe(403);
    const { status, headers } = await send(first);
    expect([status, headers.get("location")]).toEqual([303, "/"]);
    const [text = ""] = headers.getSetCookie();
    expect(text).toMatch(/^holdfast-1=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict$/);
    const [cookie = ""] = text.split(";");
    const again = await reply(send, first, { headers: { cookie } });
    expect(again).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
    expect((await send("/", { headers: { cookie: `a=b; ${cookie}` } })).status).toBe(200);
    expect((await send("/", { headers: { cookie: `${cookie}x` } })).status).toBe(403);
  });

  it("is not used up by requests that are refused", async () => {
    const { send, first } = made();
    expect((await send("/?token=wrong")).status).toBe(403);
    expect((await send(first, { headers: { host: "other.example" } })).status).toBe(403);
    expect((await send(first, { headers: { origin: "https://other.example" } })).status).toBe(403);
    expect((await send(first)).status).toBe(303);
  });
});
