/** What a runtime promises, on any store. It knows no backend. */
import { describe } from "vitest";
import { changeCases, listCases } from "./runtime-list.ts";
import { listManyCases, readCases } from "./runtime-read-many.ts";
import { checkpointCases } from "./runtime-checkpoint.ts";
import { drainCases } from "./runtime-drain.ts";
import { closeCases, contentionCases, refusedCases } from "./runtime-close.ts";
import { answerCases } from "./runtime-answers.ts";
import { earlierCases } from "./runtime-earlier.ts";
import { exclusiveCases } from "./runtime-exclusive.ts";
import { expiryCases } from "./runtime-expiry.ts";
import { eraseCases } from "./runtime-erase.ts";
import { createCases, forkCases } from "./runtime-fork.ts";
import { forkRunCases } from "./runtime-fork-run.ts";
import { historyCases } from "./runtime-history.ts";
import { liftedCases } from "./runtime-lifted.ts";
import { behindHistoryCases } from "./runtime-behind-history.ts";
import { pastCases } from "./runtime-past.ts";
import { replayCases } from "./runtime-replay.ts";
import { undoCases } from "./runtime-undo.ts";
import { rebaseCases } from "./runtime-rebase.ts";
import { executeCases, openCases, orderCases } from "./runtime-open.ts";
import { onceCases } from "./runtime-once.ts";
import { passivationCases, timeCases } from "./runtime-time.ts";
import { questionCases } from "./runtime-questions.ts";
import { cancelCases, recoverCases } from "./runtime-recover.ts";
import { runEventCases } from "./runtime-run-events.ts";
import { runCases } from "./runtime-runs.ts";
import { inputCases, retryCases, sleepCases } from "./runtime-steps.ts";
import { stepTransactCases } from "./runtime-step-transact.ts";
import { versionCases } from "./runtime-versions.ts";
import { transactCases } from "./runtime-transact.ts";
import { statsCases } from "./runtime-stats.ts";
import { tracingCases } from "./runtime-tracing.ts";
import { timerCases } from "./runtime-timers.ts";
import { transactionCases } from "./runtime-transaction.ts";
import { verifyCases } from "./runtime-verify.ts";
import { watchCases } from "./runtime-watch.ts";
import type { RuntimeStores } from "./runtime-world.ts";

/** Which parts apply to a store. */
export interface RuntimeSuiteOptions extends RuntimeStores {
  /** Sizes of the burst of increments; default 100. */
  readonly bursts?: readonly number[];
  /** Scopes of the passivation test; default 2,000. */
  readonly scopes?: number;
  /** Commits of others are reported. */
  readonly watched?: boolean;
  /** It keeps histories. */
  readonly history?: boolean;
}

/** Registers the whole suite for one kind of store. */
export function describeRuntime(options: RuntimeSuiteOptions): void {
  describe(`a runtime on ${options.name}`, () => {
    openCases(options);
    orderCases(options, options.bursts ?? [100]);
    executeCases(options);
    transactionCases(options);
    transactCases(options);
    exclusiveCases(options);
    onceCases(options);
    versionCases(options);
    timerCases(options);
    listCases(options);
    listManyCases(options);
    readCases(options);
    changeCases(options);
    timeCases(options);
    expiryCases(options);
    passivationCases(options, options.scopes ?? 2_000);
    checkpointCases(options);
    rebaseCases(options);
    refusedCases(options);
    contentionCases(options);
    if (options.watched === true) watchCases(options);
    if (options.history === true) {
      historyCases(options);
      undoCases(options);
      liftedCases(options);
      replayCases(options);
      pastCases(options);
      behindHistoryCases(options);
    }
    verifyCases(options);
    statsCases(options);
    tracingCases(options);
    runCases(options);
    forkRunCases(options);
    answerCases(options);
    retryCases(options);
    stepTransactCases(options);
    cancelCases(options);
    recoverCases(options);
    runEventCases(options);
    sleepCases(options);
    inputCases(options);
    questionCases(options);
    earlierCases(options);
    closeCases(options);
    drainCases(options);
    eraseCases(options);
    createCases(options);
    forkCases(options);
  });
}
