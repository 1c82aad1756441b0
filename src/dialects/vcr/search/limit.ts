/** The maximum length of a query text in bytes; a longer one is rejected before it is parsed. */
export const QUERY_BYTES_MAX = 65_536;

/** The maximum nesting of groups, `-`, `~` and `@field:` in a query. */
export const QUERY_DEPTH_MAX = 64;

/** The maximum number of words, words in phrases, tags, patterns and ranges in one query. */
export const QUERY_TERMS_MAX = 256;

/**
 * The maximum number of prefix, suffix, infix, glob and fuzzy terms in one query: each may visit
 * the whole dictionary.
 */
export const QUERY_PATTERNS_MAX = 16;

/** The maximum number of characters of one pattern. */
export const PATTERN_CHARS_MAX = 64;

/** The minimum number of characters of a prefix, suffix or infix; a shorter one matches nothing. */
export const PATTERN_CHARS_MIN = 2;

/** The maximum number of dictionary terms for one pattern; further ones are omitted. */
export const EXPANSIONS_MAX = 200;

/**
 * The maximum number of characters of a text term; the rest is cut in documents and in queries
 * alike.
 */
export const TERM_CHARS_MAX = 1024;

/** The maximum number of characters of a word that is stemmed. */
export const STEM_CHARS_MAX = 64;

/** The maximum number of cached stems per language; a full cache is emptied. */
export const STEM_MEMORY_MAX = 65_536;

/** The maximum number of text fields of one index: a position has its field in the upper bits. */
export const TEXT_FIELDS_MAX = 128;

/** The maximum number of fields of one index, all types together. */
export const FIELDS_MAX = 1024;

/** The maximum number of words of one text field with a position; later ones are not indexed. */
export const FIELD_POSITIONS_MAX = 8_388_608;

/** The maximum of `limit.offset` and `limit.num`. */
export const LIMIT_MAX = 1_000_000;

/** The number of hits returned by default. */
export const LIMIT_DEFAULT = 10;

/** The maximum number of characters of an index filter. */
export const FILTER_CHARS_MAX = 4096;
