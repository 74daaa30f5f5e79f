import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  ResourceInUseException,
} from "@aws-sdk/client-dynamodb";
import type { Clock } from "#lib/runtime/clock.ts";
import { toJournalError } from "./dynamodb-failure.ts";

/** The table's keys and price model; infra/ makes the same one on AWS. */
export const JOURNAL_TABLE = {
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [
    { AttributeName: "journal", AttributeType: "S" },
    { AttributeName: "seq", AttributeType: "N" },
  ],
  KeySchema: [
    { AttributeName: "journal", KeyType: "HASH" },
    { AttributeName: "seq", KeyType: "RANGE" },
  ],
} as const;

const POLL_MS = 200;

/** Makes a table of journals and waits until it may be used; one that is there is left as it is. */
export async function createJournalTable(
  options: { readonly client: DynamoDBClient; readonly table: string; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const { client, table, clock } = options;
  const send = { abortSignal: signal };
  const { AttributeDefinitions, KeySchema, BillingMode } = JOURNAL_TABLE;
  const input = { AttributeDefinitions: [...AttributeDefinitions], KeySchema: [...KeySchema], BillingMode };
  try {
    await client.send(new CreateTableCommand({ TableName: table, ...input }), send).catch((error: unknown) => {
      if (!(error instanceof ResourceInUseException)) throw error;
    });
    for (;;) {
      const { Table } = await client.send(new DescribeTableCommand({ TableName: table }), send);
      if (Table?.TableStatus === "ACTIVE") return;
      await clock.sleep(POLL_MS, signal);
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw toJournalError(error, table);
  }
}
