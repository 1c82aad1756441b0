/** The list of pages in `docs/llms.txt`: sections of links, with a line about each page. */

/** A section of the list. */
export interface PageSection {
  readonly title: string;
  readonly links: readonly PageLink[];
}

/** A page of the list. */
export interface PageLink {
  readonly title: string;
  /** The file, from `docs/`. */
  readonly page: string;
  /** What the page is about. */
  readonly about: string;
}

/** The sections of the list, in order. */
export function sectionsOf(text: string): PageSection[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => ({
      title: section.slice(0, section.indexOf("\n")),
      links: [
        ...section.matchAll(/^- \[(?<title>[^\]]+)\]\((?<page>[^)]+)\): (?<about>.+)$/gm),
      ].map(({ groups }) => ({
        title: groups?.["title"] ?? "",
        page: groups?.["page"] ?? "",
        about: groups?.["about"] ?? "",
      })),
    }));
}
