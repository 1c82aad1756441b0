import { timersOnce } from "../suites/timer-processes.ts";
import { onServer } from "../support/places.ts";

await onServer("postgres", timersOnce);
