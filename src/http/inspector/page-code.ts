/**
 * The script and the style of the inspector's page. The build of the package puts the files in the
 * place of this module, so a program that uses the package builds nothing; from the sources they
 * are built when the page is asked for first.
 */
import { fileURLToPath } from "node:url";
import { buildPage, type PageCode } from "./build-page.ts";

let built: Promise<PageCode> | undefined;

/** The files, minified. */
export function pageCode(): Promise<PageCode> {
  return (built ??= buildPage(fileURLToPath(new URL("../../inspector/", import.meta.url))));
}
