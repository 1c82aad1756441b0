/** The two services of the original: the one service with the defaults of each. */
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import { postgresStore } from "../../stores/postgres/store.ts";
import { redisStore } from "../../stores/redis/store.ts";
import { sqliteStore } from "../../stores/sqlite/store.ts";
import { SessionService, type SessionServiceOptions } from "./service.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";

/** Options of the two services: all but the profile. */
export type ServiceOptions = Omit<SessionServiceOptions, "profile">;

const OPTIONS = optionNames<ServiceOptions>({ runtime: true, conflict: true, logger: true });

/** Sessions with the behaviour of the original's in-memory service, on any runtime. */
export class InMemorySessionService extends SessionService {
  constructor(options: ServiceOptions = {}) {
    refuseUnknown("InMemorySessionService", options, OPTIONS);
    super({ ...options, profile: "memory" });
  }
}

/** Sessions with the behaviour of the original's database service. */
export class DatabaseSessionService extends SessionService {
  readonly #opened: Runtime | undefined;

  /**
   * Takes a runtime, or a URL: `sqlite://` and a file path, `sqlite://:memory:`, `memory://`,
   * `postgres://…` (needs `pg`), `redis://…` (needs `ioredis`). A runtime made for a URL is closed
   * by `close`. Throws `TypeError` for any other URL.
   */
  constructor(where: string | (ServiceOptions & { readonly runtime: Runtime })) {
    if (typeof where === "object") refuseUnknown("DatabaseSessionService", where, OPTIONS);
    const opened = typeof where === "string" ? openUrl(where) : undefined;
    const options = typeof where === "string" ? { runtime: opened } : where;
    if (options?.runtime === undefined)
      throw new TypeError("DatabaseSessionService takes a URL or { runtime }");
    super({ ...options, profile: "database" });
    this.#opened = opened;
  }

  override async close(): Promise<void> {
    await this.#opened?.close();
  }
}

function openUrl(url: string): Runtime {
  // A path that begins with a dot may follow a third slash, too: `sqlite:///./sessions.db`.
  const file = /^sqlite:\/\/(?:\/(?=\.\.?\/))?(?<path>.+)$/s.exec(url)?.groups?.["path"];
  if (file !== undefined) return createRuntime({ store: sqliteStore({ path: file }) });
  if (/^postgres(?:ql)?:\/\//.test(url)) return createRuntime({ store: postgresStore({ url }) });
  if (/^rediss?:\/\//.test(url)) return createRuntime({ store: redisStore({ url }) });
  if (url === "memory://") return createRuntime();
  // The rest of a URL may contain a password.
  const scheme = /^[a-z][\w+.-]*:/i.exec(url)?.[0] ?? "a text that is not a URL";
  throw new TypeError(
    `DatabaseSessionService opens sqlite, postgres, redis and memory URLs, not ${scheme}; ` +
      "make a runtime on the store you want and pass { runtime }",
  );
}
