import { recoveredSuite } from "../suites/recovered-suite.ts";
import { onServer } from "../support/places.ts";

await onServer("redis", ({ kind, fresh }) => recoveredSuite(kind, fresh()));
