/** A plugin of typedoc: a page of the reference has the name that users import, not that of its file. */
import { Converter, ReflectionKind } from "typedoc";

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const entry of context.project.getReflectionsByKind(ReflectionKind.Module))
      entry.name = entry.name === "index" ? "holdfast" : `holdfast/${entry.name}`;
  });
}
