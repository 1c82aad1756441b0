/** BullMQ flows on Redis: each step is a job, and the child of the step that follows it. */
import { redisPrefix } from "../servers/contract.ts";
import { serverOf } from "../servers/server.ts";
import { type Absent, type Engine, runIds, Starts, STEPS } from "./engine.ts";
import { loadPeer, startPeer } from "./peers.ts";

const NAME = "BullMQ flow, redis";
const PACKAGE = "bullmq";
/** Jobs that one worker does at a time. */
const CONCURRENCY = 50;

interface Data {
  readonly runId: string;
}
interface Job {
  readonly data: Data;
  getChildrenValues(): Promise<Readonly<Record<string, number>>>;
}
interface Flow {
  readonly name: string;
  readonly queueName: string;
  readonly data: Data;
  readonly children?: readonly Flow[];
}
interface Started {
  readonly job: { waitUntilFinished(events: unknown): Promise<number> };
}
interface Closable {
  setMaxListeners(most: number): unknown;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}
interface BullMq {
  readonly FlowProducer: new (options: object) => Closable & { add(flow: Flow): Promise<Started> };
  readonly QueueEvents: new (name: string, options: object) => Closable;
  readonly Worker: new (
    name: string,
    work: (job: Job) => Promise<number>,
    options: object,
  ) => Closable;
}

/** Starts it, with one worker in this process. */
export function bullmq(): Promise<Engine | Absent> {
  return startPeer(NAME, PACKAGE, async () => {
    const { FlowProducer, QueueEvents, Worker } = await loadPeer<BullMq>(PACKAGE);
    const { hostname, port, username, password } = new URL(serverOf("redis").url);
    const login = { host: hostname, port: Number(port) || 6379, username, password };
    const connection = { ...login, maxRetriesPerRequest: null };
    const options = { connection, prefix: `${redisPrefix}bullmq` };
    const starts = new Starts();
    const work = async (job: Job): Promise<number> => {
      const [before = 0] = Object.values(await job.getChildrenValues());
      return starts.next(job.data.runId, before);
    };
    const producer = new FlowProducer(options);
    const events = new QueueEvents("steps", options);
    const worker = new Worker("steps", work, { ...options, concurrency: CONCURRENCY });
    for (const each of [producer, events, worker]) {
      each.setMaxListeners(0); // Each run that waits is one.
      await each.waitUntilReady();
    }
    return {
      name: NAME,
      run: (count) =>
        Promise.all(
          runIds(count).map(async (runId) => {
            const { job } = await producer.add(flowOf(runId));
            return starts.done(runId, await job.waitUntilFinished(events));
          }),
        ),
      close: async () => {
        for (const each of [worker, events, producer]) await each.close();
      },
    };
  });
}

function flowOf(runId: string): Flow {
  const queueName = "steps";
  let flow: Flow = { name: "step-0", queueName, data: { runId } };
  for (let index = 1; index < STEPS; index += 1)
    flow = { name: `step-${index}`, queueName, data: { runId }, children: [flow] };
  return flow;
}
