/** The site: pages that `build.ts` collected, in the order of `docs/llms.txt`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitepress";
import { slugOf } from "../../../test/support/doc-links.ts";
import { sectionsOf } from "../../../test/support/page-list.ts";

const pages = fileURLToPath(new URL("../pages/", import.meta.url));
const list = readFileSync(new URL("../../../docs/llms.txt", import.meta.url), "utf8");
const entryPages = "reference/holdfast";
const entries = existsSync(pages + entryPages) ? readdirSync(pages + entryPages) : [];

export default defineConfig({
  title: "holdfast",
  description: "State for bots, agents and flow engines",
  srcDir: "pages",
  outDir: "site",
  cleanUrls: true,
  markdown: { anchor: { slugify: slugOf } },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    sidebar: [
      ...sectionsOf(list).map(({ title, links }) => ({
        text: title,
        items: links.map((link) => ({ text: link.title, link: `/${link.page}` })),
      })),
      {
        text: "Reference",
        items: ["holdfast.md", ...entries.map((name) => `holdfast/${name}`)].map((path) => ({
          text: path.replace(/\.md$/, ""),
          link: `/reference/${path}`,
        })),
      },
    ],
  },
});
