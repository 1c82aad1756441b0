/** The hook on a server; `test/browser/react.test.ts` has it in pages. */
import { createElement, type ReactElement } from "react";
import { renderToString } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { connect } from "../../../src/client.ts";
import { useScope } from "../../../src/react.ts";

interface Cart {
  total: number;
}

describe("useScope on a server", () => {
  const requests: string[] = [];
  const client = connect("http://127.0.0.1:1/state", {
    fetch: async (url) => {
      requests.push(url);
      throw new Error("no request is expected");
    },
  });

  function Shown({ initial }: { initial?: { version: number; state: Cart } }): ReactElement {
    const cart = useScope<Cart>(client, "cart", "ann", initial);
    const { status, version, state, patch } = cart;
    const line = [status, version ?? "-", state?.total ?? "-", typeof patch].join(" ");
    return createElement("p", null, line);
  }

  it("shows no state, or the one that is given, and sends no request", () => {
    expect(renderToString(createElement(Shown))).toBe("<p>loading - - function</p>");
    const initial = { version: 3, state: { total: 7 } };
    expect(renderToString(createElement(Shown, { initial }))).toBe("<p>loading 3 7 function</p>");
    expect(requests).toEqual([]);
  });
});
