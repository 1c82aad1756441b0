/**
 * A span for each traced operation. It is the active span while the code of the operation runs, so
 * that spans which user code makes are its children, also behind the mailbox.
 *
 * Invariants
 *  O1  The parent of a span is the active span of the caller. The save of a single call is a child
 *      of this call; a save of several has no parent, but links to all of them.
 *  O2  A call that was stored has a link to each save that carried it: repeated saves, too.
 */
import {
  context,
  type Attributes,
  type Context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { OperationTrace } from "../../actors/operation-trace.ts";
import { databaseOf, outcomeOf, placeOf } from "./attributes.ts";

/** The operations that have spans, as in the names of their channels. */
export type SpanName = "mutation" | "save" | "step" | "run" | "exclusive";

/** Makes and ends spans. */
export class Spans {
  readonly #tracer: Tracer;
  readonly #ids: boolean;
  readonly #open = new WeakMap<OperationTrace, Span>();

  constructor(tracer: Tracer, ids: boolean) {
    this.#tracer = tracer;
    this.#ids = ids;
  }

  /** Starts the span of an operation; returns the context in which it is active. */
  start(name: SpanName, message: OperationTrace): Context {
    const carried = (message.calls ?? []).flatMap((call) => this.#open.get(call) ?? []);
    const [only] = carried;
    const around = context.active();
    const parent = name === "save" ? parentOfSave(around, carried) : around;
    const span = this.#tracer.startSpan(
      `holdfast.${name}`,
      {
        kind: isRemote(name, message) ? SpanKind.CLIENT : SpanKind.INTERNAL,
        attributes: this.#attributesOf(name, message),
        links: carried.length > 1 || only === undefined ? carried.map(linkTo) : [],
      },
      parent,
    );
    for (const call of carried) call.addLink(linkTo(span));
    this.#open.set(message, span);
    return trace.setSpan(around, span);
  }

  /** Ends the span of an operation; does nothing for one that started before this was made. */
  end(message: OperationTrace): void {
    const span = this.#open.get(message);
    if (span === undefined) return;
    const { code = "ok", attempt, status } = message;
    span.setAttributes({ ...outcomeOf(message), "holdfast.attempt": attempt });
    if (status !== undefined) span.setAttribute("holdfast.status", status);
    if (code !== "ok") span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    span.end();
  }

  #attributesOf(name: SpanName, message: OperationTrace): Attributes {
    const { scope, operation, batchSize, bytes } = message;
    return {
      ...placeOf(message),
      ...(this.#ids && { "holdfast.id": scope.id }),
      [name === "step" ? "holdfast.step" : "holdfast.operation"]: operation,
      ...(name === "save" && { ...databaseOf(message), "holdfast.batch_size": batchSize }),
      ...(bytes !== undefined && { "holdfast.state_bytes": bytes }),
    };
  }
}

function linkTo(span: Span): Link {
  return { context: span.spanContext() };
}

/** See O1. A save in the background belongs to no call, whatever code it happens to start in. */
function parentOfSave(around: Context, [first, ...others]: readonly Span[]): Context {
  if (first === undefined || others.length > 0) return ROOT_CONTEXT;
  return trace.setSpan(around, first);
}

function isRemote(name: SpanName, { store }: OperationTrace): boolean {
  return name === "save" && (store === "redis" || store === "postgres");
}
