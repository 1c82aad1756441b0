import { describe, it } from "vitest";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { describeStore } from "../../../../src/testing/store-suite.ts";

describeStore({ describe, it }, { name: "memory", create: ({ clock }) => memoryStore({ clock }) });
