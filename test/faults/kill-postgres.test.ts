import { killPastSuite } from "../suites/kill-past-suite.ts";
import { killSuite } from "../suites/kill-suite.ts";
import { onServer } from "../support/places.ts";

await onServer("postgres", ({ kind, fresh }) => {
  killSuite(kind, fresh(), { cycles: 10 });
  killPastSuite(kind, fresh(), { cycles: 4 });
});
