import { recoveredSuite } from "../suites/recovered-suite.ts";
import { onServer } from "../support/places.ts";

await onServer("postgres", ({ kind, fresh }) => recoveredSuite(kind, fresh()));
