/** What the tracing channel of mutations costs, without a subscriber and with one. */
import { channel } from "node:diagnostics_channel";
import { createScope } from "../subject.ts";
import { race, type Contender, type Section } from "../support.ts";
import { createUser, type User } from "./states.ts";

const AWAITED = 20_000;
const BASE = "patchState, 0 subscribers";

function patching(name: string, subscribes: boolean): Contender {
  return {
    name,
    prepare: () => {
      const scope = createScope<User>({ initial: createUser() });
      const ended = channel("tracing:holdfast.mutation:asyncEnd");
      let received = 0;
      const receive = (): void => void (received += 1);
      return {
        run: async () => {
          if (subscribes) ended.subscribe(receive);
          for (let n = 1; n <= AWAITED; n++) await scope.patchState({ count: n, updatedAt: n });
          ended.unsubscribe(receive);
        },
        check: () => scope.state.count === AWAITED && received === (subscribes ? AWAITED : 0),
      };
    },
  };
}

/** One mutation with 0 and with 1 subscriber, in one run. */
export async function tracedSection(rounds?: number): Promise<Section> {
  const contenders = [patching(BASE, false), patching("patchState, 1 subscriber", true)];
  const result = await race({ base: BASE, operations: AWAITED, rounds, contenders });
  return {
    title: "awaited patchState of 2 of 10 fields, volatile, with the channel holdfast.mutation",
    notes: ["a subscriber makes the call wait its turn as any other, with a message of its own"],
    timings: result.timings,
    goals: [],
  };
}
