/** The reason for which a search, a definition or an option was rejected. */
export type SearchErrorCode =
  | "SYNTAX"
  | "UNKNOWN_FIELD"
  | "FIELD_TYPE"
  | "BAD_RANGE"
  | "BAD_OPTION"
  | "BAD_SCHEMA"
  | "LIMIT";

/**
 * The only error of the search engine. `offset` counts UTF-16 units from the start of the query (or
 * index filter) and is set when the text itself is at fault. The message never contains the text.
 */
export class SearchError extends Error {
  readonly code: SearchErrorCode;
  readonly offset?: number;

  constructor(code: SearchErrorCode, message: string, offset?: number) {
    super(offset === undefined ? message : `${message} at offset ${offset}`);
    this.name = "SearchError";
    this.code = code;
    if (offset !== undefined) this.offset = offset;
  }
}
