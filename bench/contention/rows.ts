/** What an application without this library keeps of a record, and what it does with it. */

/** A record as it was read. */
export interface Row {
  readonly version: number;
  readonly text: string;
}

/** Records of a place. */
export interface Records {
  /** Makes records of version 1. */
  create(keys: readonly string[], text: string): Promise<void>;
  read(key: string): Promise<Row>;
  /** Writes when the record still has that version, which grows by one; tells whether it did. */
  replace(key: string, expected: number, text: string): Promise<boolean>;
  /** Writes over whatever is there. */
  overwrite(key: string, text: string): Promise<void>;
  close(): Promise<void>;
}

/** The row, which must be there. */
export function found(row: Row | undefined): Row {
  if (row === undefined) throw new Error("a record has vanished");
  return row;
}
