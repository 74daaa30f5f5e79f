import {
  type AttributeValue,
  BatchWriteItemCommand,
  type BatchWriteItemCommandOutput,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  type PutItemCommandInput,
  QueryCommand,
  type QueryCommandInput,
  type QueryCommandOutput,
} from "@aws-sdk/client-dynamodb";
import type { AnswerTimes } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Ledger, RequestKind } from "#lib/runtime/ledger.ts";
import { DYNAMODB_CALL_MS_MAX, KIB } from "#lib/util/limits.ts";
import { exchangeOf, observe, ServiceDates } from "./answer-times.ts";
import { attempt } from "./attempt.ts";
import { toJournalError } from "./dynamodb-failure.ts";

export interface JournalTableOptions {
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly clock: Clock;
  readonly ledger: Ledger;
  /** One request is given up after this time. Default: `DYNAMODB_CALL_MS_MAX`. */
  readonly callMsMax?: number;
}

export type Item = Readonly<Record<string, AttributeValue>>;
export type Answer<T> = T & AnswerTimes;

// One item of the table:
//
//   journal  S  partition key: the journal's name, or "#format"
//   seq      N  sort key: the record's number; 0 in the item of the format
//   record   B  the record's bytes
//   level    N  in the item of the format only
export const KEYS = { "#journal": "journal", "#seq": "seq" } as const;

/** What an item takes besides its record: names of attributes, the key, its number. */
const ITEM_OVERHEAD_BYTES = 40;

/** The requests to one table: with a time limit, counted, and with the times of their answers. */
export class JournalTable {
  readonly #options: JournalTableOptions;
  readonly #dates: ServiceDates;

  constructor(options: JournalTableOptions) {
    this.#options = options;
    this.#dates = new ServiceDates(options.clock);
    observe(options.client);
  }

  get name(): string {
    return this.#options.table;
  }

  /** Puts the item unless one with its key is there; that one is answered then. */
  async putIfAbsent(item: Item, signal: AbortSignal): Promise<Answer<{ readonly existing: Item | undefined }>> {
    const { table, client } = this.#options;
    const input: PutItemCommandInput = {
      TableName: table,
      Item: item,
      ConditionExpression: "attribute_not_exists(#journal)",
      ExpressionAttributeNames: { "#journal": KEYS["#journal"] },
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      ReturnConsumedCapacity: "TOTAL",
    };
    const send = async (abortSignal: AbortSignal) => {
      try {
        const answer = await client.send(new PutItemCommand(input), { abortSignal });
        return { existing: undefined, units: answer.ConsumedCapacity?.CapacityUnits ?? writeUnitsOf(item) };
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        const existing = error.Item ?? {};
        // Charged by the larger of the two items, and not told in the answer.
        return { existing, units: Math.max(writeUnitsOf(existing), writeUnitsOf(item)) };
      }
    };
    return this.#call({ kind: "dynamodb:PutItem", input, unitsOf: ({ units }) => units }, signal, send);
  }

  async query(
    query: Omit<QueryCommandInput, "TableName">,
    signal: AbortSignal,
  ): Promise<Answer<Pick<QueryCommandOutput, "Items" | "LastEvaluatedKey">>> {
    const { table, client } = this.#options;
    const input: QueryCommandInput = { TableName: table, ReturnConsumedCapacity: "TOTAL", ...query };
    // Emulators tell nothing of a query that finds nothing; it is charged all the same.
    const least = query.ConsistentRead === true ? 1 : 0.5;
    const unitsOf = (answer: QueryCommandOutput) => Math.max(answer.ConsumedCapacity?.CapacityUnits ?? 0, least);
    return this.#call({ kind: "dynamodb:Query", input, unitsOf }, signal, (abortSignal) =>
      client.send(new QueryCommand(input), { abortSignal }),
    );
  }

  /** Deletes up to 25 items; a missing one counts as deleted. Answers the keys that were not come to. */
  async deleteBatch(keys: readonly Item[], signal: AbortSignal): Promise<readonly Item[]> {
    const { table, client } = this.#options;
    const deletes = keys.map((key) => ({ DeleteRequest: { Key: { ...key } } }));
    const input = { RequestItems: { [table]: deletes }, ReturnConsumedCapacity: "TOTAL" } as const;
    const answer = await this.#call(
      {
        kind: "dynamodb:BatchWriteItem",
        input,
        unitsOf: (each: BatchWriteItemCommandOutput) =>
          (each.ConsumedCapacity ?? []).reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0),
      },
      signal,
      (abortSignal) => client.send(new BatchWriteItemCommand(input), { abortSignal }),
    );
    return Object.values(answer.UnprocessedItems ?? {})
      .flat()
      .flatMap(({ DeleteRequest }) => (DeleteRequest?.Key === undefined ? [] : [DeleteRequest.Key]));
  }

  async #call<T extends object>(
    call: { readonly kind: RequestKind; readonly input: object; readonly unitsOf: (answer: T) => number },
    signal: AbortSignal,
    send: (signal: AbortSignal) => Promise<T>,
  ): Promise<Answer<T>> {
    const { clock, table, callMsMax = DYNAMODB_CALL_MS_MAX } = this.#options;
    let answer: T | undefined;
    try {
      answer = await attempt({ clock, ms: callMsMax }, signal, send);
      return { ...answer, ...this.#dates.times(exchangeOf(call.input)) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw toJournalError(error, table);
    } finally {
      const { bytesSent, bytesReceived } = exchangeOf(call.input);
      this.#options.ledger.count(
        call.kind,
        { sent: bytesSent, received: bytesReceived },
        { target: table, units: answer === undefined ? 0 : call.unitsOf(answer), hasFailed: answer === undefined },
      );
    }
  }
}

function writeUnitsOf(item: Item): number {
  const record = item["record"]?.B?.byteLength ?? 0;
  return Math.ceil((record + ITEM_OVERHEAD_BYTES) / KIB);
}
