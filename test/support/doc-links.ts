/** Headings and links of Markdown pages, read as GitHub and the site read them. */
import { posix } from "node:path";
import { lineAt, type SourceFile } from "./source-text.ts";

/** A link of a page. */
export interface DocLink {
  /** Where it stands: `README.md:12`. */
  readonly place: string;
  /** As it is written: `docs/scale.md#tombstones`. */
  readonly target: string;
  /** The file it names, from the repository's root; `undefined` for one of the web. */
  readonly path: string | undefined;
  /** What follows `#`; empty without one. */
  readonly anchor: string;
}

/** The anchor of a heading, as GitHub makes it. */
export function slugOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/\[(?<text>[^\]]*)\]\([^)]*\)/g, "$<text>")
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}

/** The anchors of a page, in order. A heading that occurs again gets a number. */
export function anchorsOf(page: SourceFile): string[] {
  const seen = new Map<string, number>();
  return [...prose(page.text).matchAll(/^#{1,6} .+$/gm)].map(({ index, 0: line }) => {
    const slug = slugOf(page.text.slice(index, index + line.length).replace(/^#+/, ""));
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

/** The links and pictures of a page, without what stands in code. */
export function linksOf({ path, text }: SourceFile): DocLink[] {
  return [...prose(text).matchAll(/\]\((?<target>[^()\s]+)\)/g)].map(({ index, groups }) => {
    const target = groups?.["target"] ?? "";
    const [file = "", anchor = ""] = target.split("#");
    const inner = file === "" ? path : posix.join(posix.dirname(path), file);
    return {
      place: `${path}:${lineAt(text, index)}`,
      target,
      path: /^\w+:/.test(target) ? undefined : inner,
      anchor,
    };
  });
}

/**
 * One line per link that leads to no file of `paths`, or to no heading of a page. `pages` are those to
 * read; a link to a heading of another file is not checked.
 */
export function deadLinks(pages: readonly SourceFile[], paths: readonly string[]): string[] {
  const anchors = new Map(pages.map((page) => [page.path, anchorsOf(page)]));
  return pages.flatMap(linksOf).flatMap(({ place, target, path, anchor }) => {
    if (path === undefined) return [];
    if (!paths.includes(path)) return [`${place}: ${target} leads to no file`];
    const known = anchors.get(path);
    if (anchor === "" || known === undefined || known.includes(anchor)) return [];
    return [`${place}: ${target} leads to no heading`];
  });
}

/** The text with fenced blocks and inline code blanked; offsets stay true. */
function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$|`[^`\n]+`/gm, (code) => code.replaceAll(/[^\n]/g, " "));
}
