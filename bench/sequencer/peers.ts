/** The engines that npm brings, from `bench/peers`, a package that is installed by itself. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Absent, Engine } from "./engine.ts";

const peers = new URL("../peers/", import.meta.url);
const require = createRequire(new URL("package.json", peers));

/** What must be installed for the peers. */
export const NOT_INSTALLED = "not installed: npm ci --prefix bench/peers";

/** The path of a file of an installed peer. */
export function peerPath(file: string): string {
  return fileURLToPath(new URL(`node_modules/${file}`, peers));
}

/** Loads a peer; the caller says which shape its documentation declares. */
export async function loadPeer<T extends object>(name: string): Promise<T> {
  // The shapes are written down where they are used: their types are not installed with ours.
  return (await import(pathToFileURL(require.resolve(name)).href)) as T;
}

/** Starts a peer; why not, where that fails. */
export async function startPeer(
  name: string,
  folder: string,
  start: () => Promise<Engine>,
): Promise<Engine | Absent> {
  if (!existsSync(peerPath(folder))) return { name, reason: NOT_INSTALLED };
  try {
    return await start();
  } catch (error) {
    const [reason = ""] = String(Object(error).message).split("\n");
    return { name, reason: `cannot run: ${reason}` };
  }
}
