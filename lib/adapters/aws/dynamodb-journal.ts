import type { QueryCommandInput } from "@aws-sdk/client-dynamodb";
import type { AppendResult, Journal, JournalPage, JournalRecord, ReadOptions } from "#lib/journal/journal.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { backOffMs, retry } from "#lib/runtime/back-off.ts";
import type { Random } from "#lib/runtime/random.ts";
import { assert } from "#lib/util/assert.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import {
  DYNAMODB_BATCH_ATTEMPTS_MAX,
  DYNAMODB_BATCH_ITEMS_MAX,
  DYNAMODB_BATCHES_AT_ONCE_MAX,
  JOURNAL_BACK_OFF_MS_MAX,
  JOURNAL_BACK_OFF_MS_MIN,
  JOURNAL_RECORD_BYTES_MAX,
} from "#lib/util/limits.ts";
import { SystemRandom } from "../node/system-random.ts";
import { unavailable } from "./dynamodb-failure.ts";
import { type Item, JournalTable, type JournalTableOptions, KEYS } from "./journal-table.ts";
import { checkTableFormat } from "./table-format.ts";

export interface DynamoDbJournalOptions extends JournalTableOptions {
  /** Default: the operating system's. */
  readonly random?: Random;
  /** Ends the opening. */
  readonly signal: AbortSignal;
}

const OPEN_ATTEMPTS_MAX = 3;
const BACK_OFF = { minMs: JOURNAL_BACK_OFF_MS_MIN, maxMs: JOURNAL_BACK_OFF_MS_MAX };

/**
 * Journals in a DynamoDB table, one item a record. Every call is one request and never sent again in here (J3), but for
 * what a trim leaves over. The trim mark is not checked: a trimmed number is simply absent, and whoever finds it free
 * after an hour without a strong read is in doubt by the signed times (J6).
 */
export class DynamoDbJournal implements Journal {
  readonly #table: JournalTable;
  readonly #options: DynamoDbJournalOptions;
  readonly #random: Random;

  private constructor(table: JournalTable, options: DynamoDbJournalOptions) {
    this.#table = table;
    this.#options = options;
    this.#random = options.random ?? new SystemRandom();
  }

  /** Fails with `JournalTableError` on a table of another format, or with `JournalUnavailableError`. */
  static async open(options: DynamoDbJournalOptions): Promise<DynamoDbJournal> {
    const table = new JournalTable(options);
    const journal = new DynamoDbJournal(table, options);
    const again = { ...BACK_OFF, attemptsMax: OPEN_ATTEMPTS_MAX, isRetriable: isUnavailable };
    const ports = { clock: options.clock, random: journal.#random };
    // More than one try: a host whose clock is wrong learns the service's time from the first refusal.
    await retry(() => checkTableFormat(table, options.signal), again, ports, options.signal);
    return journal;
  }

  async append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array, signal: AbortSignal): Promise<AppendResult> {
    assert(Number.isSafeInteger(seq) && seq >= 1, "a record's number is at least 1");
    assert(bytes.byteLength <= JOURNAL_RECORD_BYTES_MAX, "the record is too large");
    const item = { ...keyOf(journal, seq), record: { B: bytes } };
    const { existing, servedAtMs, signedAtMs } = await this.#table.putIfAbsent(item, signal);
    const times = { servedAtMs, signedAtMs };
    if (existing === undefined) return { kind: "appended", ...times };
    const standing = existing["record"]?.B;
    // Nothing is known of the record without its bytes; the same call again may bring them.
    if (standing === undefined)
      throw unavailable(this.#table.name, "a conflict came without the item that stands there");
    return { kind: "conflict", existing: standing, ...times };
  }

  /** One page of the service's ends after 1 MB at the latest. */
  async read(journal: JournalId, options: ReadOptions, signal: AbortSignal): Promise<JournalPage> {
    const { from, recordsMax, bytesMax, consistency } = options;
    // One more than asked for: the service says "perhaps more" behind a full page even at the very end.
    const query = queryOf(journal, { from, to: undefined, limit: recordsMax + 1, isStrong: consistency === "strong" });
    const { Items = [], LastEvaluatedKey, servedAtMs, signedAtMs } = await this.#table.query(query, signal);
    const records: JournalRecord[] = [];
    let byteLength = 0;
    for (const item of Items) {
      const record = recordOf(item);
      byteLength += record.bytes.byteLength;
      if (records.length > 0 && (records.length >= recordsMax || byteLength > bytesMax)) break;
      records.push(record);
    }
    const isTruncated = records.length < Items.length || LastEvaluatedKey !== undefined;
    return { records, isTruncated, servedAtMs, signedAtMs };
  }

  async last(journal: JournalId, signal: AbortSignal): Promise<JournalPage> {
    const query = {
      ...queryOf(journal, { from: 0, to: undefined, limit: 1, isStrong: true }),
      ScanIndexForward: false,
    };
    const { Items = [], servedAtMs, signedAtMs } = await this.#table.query(query, signal);
    return { records: Items.map(recordOf), isTruncated: false, servedAtMs, signedAtMs };
  }

  /** Lowest numbers first. */
  async trim(journal: JournalId, upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    const newest = (await this.last(journal, signal)).records[0];
    if (newest === undefined) return;
    const to = Math.min(upTo, newest.seq - 1);
    // What a trim may take is old, so a read at half the price sees it; what it misses is left for the next time.
    const query = {
      ...queryOf(journal, { from: 0, to, limit: undefined, isStrong: false }),
      ProjectionExpression: "#journal, #seq",
    };
    let start: Item | undefined;
    do {
      const page = await this.#table.query({ ...query, ...(start && { ExclusiveStartKey: start }) }, signal);
      const batches = inBatches(page.Items ?? []);
      await mapInChunks(batches, DYNAMODB_BATCHES_AT_ONCE_MAX, (batch) => this.#deleteAll(batch, signal));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
  }

  async #deleteAll(keys: readonly Item[], signal: AbortSignal): Promise<void> {
    let left = await this.#table.deleteBatch(keys, signal);
    for (let tries = 1; left.length > 0; tries++) {
      if (tries === DYNAMODB_BATCH_ATTEMPTS_MAX) {
        throw unavailable(this.#table.name, "throttled: a trim is not done yet", true);
      }
      await this.#options.clock.sleep(backOffMs(tries, BACK_OFF, this.#random), signal);
      left = await this.#table.deleteBatch(left, signal);
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof JournalUnavailableError;
}

function keyOf(journal: JournalId, seq: JournalSeq) {
  return { journal: { S: journal }, seq: { N: String(seq) } };
}

function queryOf(
  journal: JournalId,
  range: {
    readonly from: JournalSeq;
    readonly to: JournalSeq | undefined;
    readonly limit: number | undefined;
    readonly isStrong: boolean;
  },
): Omit<QueryCommandInput, "TableName"> {
  const { from, to, limit, isStrong } = range;
  const values = { ":journal": { S: journal }, ":from": { N: String(from) } };
  const isOpen = to === undefined;
  return {
    KeyConditionExpression: `#journal = :journal AND ${isOpen ? "#seq >= :from" : "#seq BETWEEN :from AND :to"}`,
    ExpressionAttributeNames: KEYS,
    ExpressionAttributeValues: isOpen ? values : { ...values, ":to": { N: String(to) } },
    ConsistentRead: isStrong,
    ...(limit === undefined ? {} : { Limit: limit }),
  };
}

function recordOf(item: Item): JournalRecord {
  const seq = Number(item["seq"]?.N);
  const bytes = item["record"]?.B;
  assert(Number.isSafeInteger(seq) && bytes !== undefined, "an item of a journal has a number and a record");
  return { seq, bytes };
}

function inBatches(items: readonly Item[]): readonly (readonly Item[])[] {
  const batches: (readonly Item[])[] = [];
  for (let from = 0; from < items.length; from += DYNAMODB_BATCH_ITEMS_MAX) {
    batches.push(items.slice(from, from + DYNAMODB_BATCH_ITEMS_MAX));
  }
  return batches;
}
