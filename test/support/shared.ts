/** A server that all files of a run share, started by the process that runs them. */

/** The variable of the environment with the address where global-setup.ts gives its URL. */
export const SHARED = "HOLDFAST_TEST_SERVERS";

/** The URL of the PostgreSQL server of the run; rejects when it cannot be started. */
export async function sharedPostgres(): Promise<string> {
  const offer = process.env[SHARED];
  if (offer === undefined) throw new Error(`${SHARED} is not set: global-setup.ts sets it`);
  const response = await fetch(offer);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}
