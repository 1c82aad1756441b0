import { exclusiveProcesses } from "../suites/exclusive-processes.ts";
import { onServer } from "../support/places.ts";

await onServer("redis", exclusiveProcesses);
