/** An Express application: each request adds a field to the session of one user, around a pause. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import express from "express";
import session from "express-session";
import type * as Entry from "../../src/express-session.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { HoldfastSessionStore }: typeof Entry = await import(urlOf("express-session"));

async function lost(store: session.Store): Promise<number> {
  const app = express();
  app.use(session({ store, secret: "s", resave: false, saveUninitialized: true }));
  app.get("/add/:item", (req, res, next) => {
    sleep(5).then(() => {
      Object.assign(req.session, { [`item${req.params.item}`]: 1 });
      res.end();
    }, next);
  });
  app.get("/", (req, res) => void res.json(Object.keys(req.session)));
  const server = app.listen(0);
  await once(server, "listening");
  const port: unknown = Object(server.address()).port;
  const get = (path: string, cookie = ""): Promise<Response> =>
    fetch(`http://127.0.0.1:${String(port)}${path}`, { headers: { cookie } });
  const [cookie = ""] = (await get("/")).headers.getSetCookie();
  await atOnce(async (at) => (await get(`/add/${at}`, cookie)).text());
  const fields = Object(await (await get("/", cookie)).json()) as readonly string[];
  server.close();
  server.closeAllConnections();
  return TURNS - fields.filter((name) => name.startsWith("item")).length;
}

/** The default store of express-session is an object in memory. */
export const expressSessionRow: Row = {
  framework: "express-session",
  adapter: "holdfast/express-session",
  work: "add a field to the session of a user",
  own: () => lost(new session.MemoryStore()),
  async ours() {
    const runtime = createRuntime();
    const found = await lost(new HoldfastSessionStore({ runtime }));
    await runtime.close();
    return found;
  },
};
