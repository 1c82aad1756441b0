import { contentionSuite } from "../suites/contention-suite.ts";
import { onServer } from "../support/places.ts";

await onServer("postgres", contentionSuite);
