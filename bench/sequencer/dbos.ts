/** DBOS on PostgreSQL: a workflow whose steps are stored in its system database. */
import { serverOf } from "../servers/server.ts";
import { type Absent, type Engine, runIds, Starts, STEPS } from "./engine.ts";
import { loadPeer, startPeer } from "./peers.ts";

const NAME = "DBOS, postgres";
const PACKAGE = "@dbos-inc/dbos-sdk";

type Workflow = (runId: string) => Promise<number>;

interface Dbos {
  setConfig(config: object): void;
  registerWorkflow(work: Workflow, config: { readonly name: string }): Workflow;
  runStep<T>(work: () => Promise<T>, config: { readonly name: string }): Promise<T>;
  startWorkflow(
    workflow: Workflow,
    config: { readonly workflowID: string },
  ): (runId: string) => Promise<{ getResult(): Promise<number> }>;
  launch(): Promise<void>;
  shutdown(): Promise<void>;
}

/** Starts it; its tables go with the database of the bench. */
export function dbos(): Promise<Engine | Absent> {
  return startPeer(NAME, PACKAGE, async () => {
    const { DBOS } = await loadPeer<{ readonly DBOS: Dbos }>(PACKAGE);
    const starts = new Starts();
    const systemDatabaseUrl = serverOf("postgres").url;
    DBOS.setConfig({ name: "bench", systemDatabaseUrl, logLevel: "error" });
    const workflow = DBOS.registerWorkflow(
      async (runId) => {
        let value = 0;
        for (let index = 0; index < STEPS; index += 1) {
          const before = value;
          value = await DBOS.runStep(() => Promise.resolve(starts.next(runId, before)), {
            name: `step-${index}`,
          });
        }
        return value;
      },
      { name: "count" },
    );
    await DBOS.launch();
    return {
      name: NAME,
      run: (count) =>
        Promise.all(
          runIds(count).map(async (runId) => {
            const started = await DBOS.startWorkflow(workflow, { workflowID: runId })(runId);
            return starts.done(runId, await started.getResult());
          }),
        ),
      close: () => DBOS.shutdown(),
    };
  });
}
