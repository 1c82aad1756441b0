/**
 * What all test files of a run share: the programs they start, a server where none runs, and the package
 * as it is published.
 */
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { DIRECTORIES, makeDirectories } from "./directory.ts";
import { pack } from "./pack.ts";
import { ownPostgres, type OwnPostgres } from "./postgres-server.ts";
import { buildPrograms, makePrograms, PROGRAMS } from "./programs.ts";
import { SHARED } from "./shared.ts";

/** No test crashes this server, so it need not write to the disk. */
const UNSAFE = ["fsync = off", "max_connections = 200"];

/** Starts all of it before the first file; gives the function that ends it after the last. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), "holdfast-shared-"));
  const programs = join(dir, "programs");
  mkdirSync(programs);
  await makePrograms(programs);
  process.env[PROGRAMS] = programs;
  const directories = makeDirectories();
  process.env[DIRECTORIES] = directories;
  const shared = new Shared(dir);
  await shared.offer();
  project.onTestsRerun(async () => {
    shared.forgetTarball();
    await buildPrograms(programs);
  });
  return async () => {
    await shared.end();
    rmSync(dir, { recursive: true });
    rmSync(directories, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** Makes what some files need when the first of them asks for it. */
class Shared {
  readonly #dir: string;
  readonly #server = createServer((request, response) => {
    this.#made(request.url).then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  #postgres: Promise<OwnPostgres> | undefined;
  #tarball: Promise<string> | undefined;

  /** `dir` is where the tarball is put. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  async #made(path: string | undefined): Promise<string> {
    if (path === "/postgres") return (await (this.#postgres ??= ownPostgres(UNSAFE))).url;
    if (path === "/tarball") return (this.#tarball ??= pack(mkdtempSync(join(this.#dir, "pack-"))));
    throw new Error(`nothing is shared at ${path}`);
  }

  async offer(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("no port");
    process.env[SHARED] = `http://127.0.0.1:${address.port}`;
  }

  /** The sources have changed. */
  forgetTarball(): void {
    this.#tarball = undefined;
  }

  async end(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#tarball?.catch(() => undefined);
    await this.#postgres?.then((own) => own.destroy()).catch(() => undefined);
  }
}
