/** What all test files of a run share: the programs they start, and a server where none runs. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { ownPostgres, type OwnPostgres } from "./postgres-server.ts";
import { buildPrograms, makePrograms, PROGRAMS } from "./programs.ts";
import { SHARED } from "./shared-server.ts";

/** No test crashes this server, so it need not write to the disk. */
const UNSAFE = ["fsync = off", "max_connections = 200"];

/** Starts all of it before the first file; gives the function that ends it after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-programs-"));
  await makePrograms(dir);
  process.env[PROGRAMS] = dir;
  project.onTestsRerun(() => buildPrograms(dir));
  const endServers = await offerServers();
  return async () => {
    await endServers();
    rmSync(dir, { recursive: true });
  };
}

/** Starts the PostgreSQL of the run when the first file asks for it. */
async function offerServers(): Promise<() => Promise<void>> {
  let starting: Promise<OwnPostgres> | undefined;
  const offer = createServer((_request, response) => {
    starting ??= ownPostgres(UNSAFE);
    starting.then(
      ({ url }) => response.end(url),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  offer.listen(0, "127.0.0.1");
  await once(offer, "listening");
  const address = offer.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  process.env[SHARED] = `http://127.0.0.1:${address.port}`;
  return async () => {
    offer.closeAllConnections();
    offer.close();
    await starting?.then((own) => own.destroy()).catch(() => undefined);
  };
}
