/** Bytes of a query text; a longer one is refused before it is read. */
export const QUERY_BYTES_MAX = 65_536;

/** Nesting of groups, `-`, `~` and `@field:` in a query. */
export const QUERY_DEPTH_MAX = 64;

/** Words, phrases' words, tags, patterns and ranges in one query. */
export const QUERY_TERMS_MAX = 256;

/** Prefix, suffix, infix, glob and fuzzy terms in one query: each may walk the whole dictionary. */
export const QUERY_PATTERNS_MAX = 16;

/** Characters of one pattern. */
export const PATTERN_CHARS_MAX = 64;

/** Fewest characters a prefix, suffix or infix needs; a shorter one matches nothing. */
export const PATTERN_CHARS_MIN = 2;

/** Dictionary terms one pattern stands for; further ones are left out. */
export const EXPANSIONS_MAX = 200;

/** Characters of a text term; what goes beyond is cut in documents and in queries alike. */
export const TERM_CHARS_MAX = 1024;

/** Characters of a word that is still stemmed. */
export const STEM_CHARS_MAX = 64;

/** Stems remembered per language; the memory is emptied when it is full. */
export const STEM_MEMORY_MAX = 65_536;

/** Text fields of one index: a position keeps its field in the upper bits. */
export const TEXT_FIELDS_MAX = 128;

/** Fields of one index, all types together. */
export const FIELDS_MAX = 1024;

/** Words of one text field that get a position; later ones are not indexed. */
export const FIELD_POSITIONS_MAX = 8_388_608;

/** Largest `limit.offset` and `limit.num`. */
export const LIMIT_MAX = 1_000_000;

/** Hits given when no limit is named. */
export const LIMIT_DEFAULT = 10;

/** Characters of an index filter. */
export const FILTER_CHARS_MAX = 4096;
