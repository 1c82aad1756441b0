/** The form that resumes a suspended run: from the schema of the data, else any JSON. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { RunView } from "../http/inspector/wire.ts";
import { ApiError, messageOf, post } from "./api.ts";
import { Failure } from "./parts.ts";

interface AnswerProps {
  readonly runId: string;
  readonly suspension: NonNullable<RunView["suspension"]>;
  readonly reload: () => void;
}

/** A field of a form; `json`: any value. */
interface Field {
  readonly name: string;
  readonly form: "text" | "number" | "integer" | "boolean" | "choice" | "json";
  readonly choices: readonly string[];
  readonly isRequired: boolean;
  readonly note: string;
}

/** See the head of this file. */
export function AnswerForm({ runId, suspension, reload }: AnswerProps): VNode {
  const fields = fieldsOf(suspension.schema);
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      const data = dataOf(fields, new FormData(event.target as HTMLFormElement)); // Its own event.
      await post("resume", { runId, suspension: suspension.id, ...data });
      setError(undefined);
    } catch (reason) {
      setError(messageOf(reason));
    }
    setBusy(false);
    reload();
  };
  return html`<form class="answer" onSubmit=${send}>
    ${
      fields === null
        ? html`<label class="field grow">
            <span>Answer as JSON</span>
            <textarea
              name="json"
              rows="4"
              spellcheck=${false}
              placeholder=${'{ "approved": true }'}
            ></textarea>
          </label>`
        : fields.map((field) => html`<${FieldInput} key=${field.name} field=${field} />`)
    }
    <button type="submit" class="act" disabled=${isBusy}>Resume the run</button>
    <${Failure} text=${error} />
  </form>`;
}

function FieldInput({ field }: { readonly field: Field }): VNode {
  const { name, form, choices, isRequired, note } = field;
  if (form === "boolean")
    return html`<label class="check"><input type="checkbox" name=${name} /> ${name}</label>`;
  const label = html`<span
    >${name}${isRequired ? "" : " (optional)"}${note === "" ? "" : ` – ${note}`}</span
  >`;
  if (form === "choice")
    return html`<label class="field">
      ${label}
      <select name=${name} required=${isRequired}>
        ${isRequired ? null : html`<option value=""></option>`}
        ${choices.map((choice) => html`<option key=${choice} value=${choice}>${choice}</option>`)}
      </select>
    </label>`;
  if (form === "json")
    return html`<label class="field">
      ${label}<textarea name=${name} rows="2" required=${isRequired} spellcheck=${false}></textarea>
    </label>`;
  const isNumber = form !== "text";
  return html`<label class="field">
    ${label}
    <input
      name=${name}
      type=${isNumber ? "number" : "text"}
      step=${form === "integer" ? "1" : "any"}
      required=${isRequired && isNumber}
    />
  </label>`;
}

/** The fields of an object schema; `null` for another one, and without one. */
function fieldsOf(schema: unknown): readonly Field[] | null {
  const { type, properties, required }: Readonly<Record<string, unknown>> = Object(schema);
  if (type !== "object" || typeof properties !== "object" || properties === null) return null;
  const names: readonly unknown[] = Array.isArray(required) ? required : [];
  return Object.entries(properties).map(([name, rule]: [string, unknown]) => {
    const { description, enum: choices }: Readonly<Record<string, unknown>> = Object(rule);
    return {
      name,
      form: formOf(rule),
      choices: Array.isArray(choices) ? choices.map(String) : [],
      isRequired: names.includes(name),
      note: typeof description === "string" ? description : "",
    };
  });
}

function formOf(rule: unknown): Field["form"] {
  const { type, enum: choices }: Readonly<Record<string, unknown>> = Object(rule);
  if (Array.isArray(choices) && choices.every((each) => typeof each === "string")) return "choice";
  if (type === "string") return "text";
  return type === "number" || type === "integer" || type === "boolean" ? type : "json";
}

/** What is sent as `data`; nothing when nothing was given. */
function dataOf(fields: readonly Field[] | null, given: FormData): { readonly data?: unknown } {
  const textOf = (name: string): string => {
    const value = given.get(name);
    return typeof value === "string" ? value : "";
  };
  if (fields === null) {
    const text = textOf("json").trim();
    return text === "" ? {} : { data: jsonOf(text) };
  }
  const entries = fields.flatMap(({ name, form, isRequired }): [string, unknown][] => {
    const text = textOf(name);
    if (form === "boolean") return [[name, given.has(name)]];
    if (text === "" && !(form === "text" && isRequired)) return [];
    if (form === "number" || form === "integer") return [[name, Number(text)]];
    return [[name, form === "json" ? jsonOf(text) : text]];
  });
  return { data: Object.fromEntries(entries) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, "the answer is not JSON");
  }
}
