import { JournalTableError } from "./dynamodb-failure.ts";
import { type Item, type JournalTable, KEYS } from "./journal-table.ts";

/** No journal's name begins with this sign. */
export const FORMAT_PARTITION = "#format";
export const TABLE_FORMAT_LEVEL = 1;

/**
 * Makes sure that the table's layout is the one that this version writes; a table without a word about it is new, and is
 * given one. Fails with `JournalTableError` on another level, before anything of ours is written.
 */
export async function checkTableFormat(table: JournalTable, signal: AbortSignal): Promise<void> {
  const key = { journal: { S: FORMAT_PARTITION }, seq: { N: "0" } };
  // By the same kind of request as every read, so that no further permission is needed.
  const { Items = [] } = await table.query(
    {
      KeyConditionExpression: "#journal = :journal AND #seq = :seq",
      ExpressionAttributeNames: KEYS,
      ExpressionAttributeValues: { ":journal": key.journal, ":seq": key.seq },
      ConsistentRead: true,
    },
    signal,
  );
  const found =
    Items[0] ?? (await table.putIfAbsent({ ...key, level: { N: `${TABLE_FORMAT_LEVEL}` } }, signal)).existing;
  if (found === undefined) return;
  const level = levelOf(found);
  if (level === TABLE_FORMAT_LEVEL) return;
  throw new JournalTableError(
    `table ${table.name} has format level ${level ?? "unknown"}, this version understands ${TABLE_FORMAT_LEVEL}: ` +
      "run a newer version, or name another table",
  );
}

function levelOf(item: Item): number | undefined {
  const text = item["level"]?.N;
  return text === undefined ? undefined : Number(text);
}
