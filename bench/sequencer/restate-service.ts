/** The service of `restate.ts`; Node 22 runs it as it is. Argument: its port. */
import { createRequire } from "node:module";
import { type Done, STEPS } from "./engine.ts";

interface Context {
  run<T>(name: string, work: () => T): Promise<T>;
}
interface Restate {
  service(parts: {
    readonly name: string;
    readonly handlers: Readonly<Record<string, (context: Context) => Promise<Done>>>;
  }): unknown;
  serve(parts: { readonly services: readonly unknown[]; readonly port: number }): Promise<unknown>;
}

const require = createRequire(new URL("../peers/package.json", import.meta.url));
const PACKAGE = "@restatedev/restate-sdk"; // Of bench/peers, not of this package.
// As its documentation declares it.
const restate = require(PACKAGE) as Restate;

async function run(context: Context): Promise<Done> {
  const starts: number[] = [];
  let value = 0;
  for (let index = 0; index < STEPS; index += 1) {
    const before = value;
    value = await context.run(`step-${index}`, () => {
      starts.push(performance.now());
      return before + 1;
    });
  }
  return { value, starts };
}

const services = [restate.service({ name: "count", handlers: { run } })];
await restate.serve({ services, port: Number(process.argv[2]) });
