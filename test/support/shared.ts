/** What all files of a run share, made by the process that runs them when the first file asks. */

/** The variable of the environment with the address where global-setup.ts gives it. */
export const SHARED = "HOLDFAST_TEST_SHARED";

/** The URL of the PostgreSQL server of the run; rejects when it cannot be started. */
export function sharedPostgres(): Promise<string> {
  return shared("postgres");
}

/** The path of the tarball of the package; rejects when it cannot be built. */
export function sharedTarball(): Promise<string> {
  return shared("tarball");
}

async function shared(name: "postgres" | "tarball"): Promise<string> {
  const offer = process.env[SHARED];
  if (offer === undefined) throw new Error(`${SHARED} is not set: global-setup.ts sets it`);
  const response = await fetch(new URL(name, offer));
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}
