/** The one file of all journals in a data directory; stores lie beside it as `store-0`, `store-1` and so on. */
export const JOURNAL_FILE = "journal.sqlite";
