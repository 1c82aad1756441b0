import { checkpointProcesses } from "../suites/checkpoint-processes.ts";
import { onServer } from "../support/places.ts";

await onServer("redis", checkpointProcesses);
