import { killSuite } from "../suites/kill-suite.ts";
import { onServer } from "../support/places.ts";

await onServer("redis", ({ kind, fresh }) => killSuite(kind, fresh(), { cycles: 10 }));
