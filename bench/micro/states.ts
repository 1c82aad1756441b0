/** The states that the micro benches change. */

/** Ten fields, as a small bot keeps about one user. */
export interface User {
  readonly id: string;
  readonly name: string;
  readonly locale: string;
  readonly step: string;
  readonly count: number;
  readonly score: number;
  readonly active: boolean;
  readonly updatedAt: number;
  readonly tags: readonly string[];
  readonly last: string | null;
}

/** A fresh one. */
export function createUser(): User {
  return {
    id: "u1",
    name: "Ada",
    locale: "en",
    step: "start",
    count: 0,
    score: 0,
    active: true,
    updatedAt: 0,
    tags: ["new"],
    last: null,
  };
}

/** A record of `size` keys, as parsed from JSON. */
export function createRecord(size: number): Record<string, number> {
  const pairs = Array.from({ length: size }, (_, index) => `"key${index}":${index}`);
  return JSON.parse(`{${pairs.join(",")}}`);
}
