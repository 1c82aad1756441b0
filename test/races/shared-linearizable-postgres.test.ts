import { sharedLinearizable } from "../suites/shared-linearizable.ts";
import { onServer } from "../support/places.ts";

await onServer("postgres", sharedLinearizable);
