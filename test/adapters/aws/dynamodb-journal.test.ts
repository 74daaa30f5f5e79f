import { describe, expect, test } from "vitest";
import { DynamoDbJournal } from "#lib/adapters/aws/dynamodb-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { RequestLedger } from "#lib/runtime/ledger.ts";
import { journalId } from "#lib/util/branded.ts";
import { type Behaviour, dynamoDbAnswer, dynamoDbError, FakeService } from "./fake-service.ts";

const never = new AbortController().signal;
const LOG = journalId("log-3");
const SILENCE_MS = 500;
const OPENED = dynamoDbAnswer({ Items: [{ journal: { S: "#format" }, seq: { N: "0" }, level: { N: "1" } }] });
const base64 = (text: string) => Buffer.from(text).toString("base64");
const itemOf = (seq: number, text: string) => ({
  journal: { S: LOG },
  seq: { N: String(seq) },
  record: { B: base64(text) },
});

async function serviceOf(...behaviours: readonly Behaviour[]) {
  const service = await FakeService.start(OPENED);
  const client = service.dynamoDbClient();
  const ledger = new RequestLedger();
  // Long enough for a machine that is busy with other tests, unless there is nothing to wait for.
  const callMsMax = behaviours.includes("silence") ? SILENCE_MS : 20_000;
  const open = () =>
    DynamoDbJournal.open({
      client,
      table: "journals",
      clock: new SystemClock(),
      ledger,
      callMsMax,
      signal: never,
    });
  const journal = await open();
  service.answer(...behaviours);
  return {
    service,
    journal,
    ledger,
    open,
    /** The bodies of the requests after the opening. */
    bodies: (): readonly Record<string, unknown>[] =>
      service.requests.slice(1).map(({ body }) => JSON.parse(body.toString())),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await service[Symbol.asyncDispose]();
    },
  };
}

describe("an append", () => {
  test("is one conditional put of one item", async () => {
    await using under = await serviceOf(dynamoDbAnswer({}));
    const result = await under.journal.append(LOG, 7, Buffer.from("abc"), never);
    expect(result.kind).toBe("appended");
    expect(under.bodies()).toEqual([
      expect.objectContaining({
        TableName: "journals",
        Item: itemOf(7, "abc"),
        ConditionExpression: "attribute_not_exists(#journal)",
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      }),
    ]);
  });

  test("that meets a record answers its bytes without a second request", async () => {
    const conflict = dynamoDbError(400, "ConditionalCheckFailedException", { Item: itemOf(7, "theirs") });
    await using under = await serviceOf(conflict);
    const result = await under.journal.append(LOG, 7, Buffer.from("ours"), never);
    expect(result.kind === "conflict" && Buffer.from(result.existing).toString()).toBe("theirs");
    expect(under.bodies()).toHaveLength(1);
  });

  test("whose conflict comes without the record is not decided", async () => {
    await using under = await serviceOf(dynamoDbError(400, "ConditionalCheckFailedException"));
    const append = under.journal.append(LOG, 7, Buffer.from("ours"), never);
    await expect(append).rejects.toMatchObject({ name: "JournalUnavailableError", throttled: false });
  });

  test("knows when the service answered and when its own request was signed", async () => {
    const beforeMs = Date.now();
    const servedAt = new Date(Math.floor(beforeMs / 1_000) * 1_000 + 7_000);
    await using under = await serviceOf(dynamoDbAnswer({}, { date: servedAt.toUTCString() }));
    const { servedAtMs, signedAtMs } = await under.journal.append(LOG, 1, Buffer.from("a"), never);
    expect(servedAtMs).toBe(servedAt.getTime());
    expect(under.service.last.headers["x-amz-date"]).toBe(
      new Date(signedAtMs).toISOString().replace(/[-:]|\.\d+/g, ""),
    );
    expect(Math.abs(signedAtMs - beforeMs)).toBeLessThan(5_000);
  });

  test("knows the same of a conflict, and signs by the service's date from then on", async () => {
    const tomorrow = new Date(Date.now() + 86_400_000);
    const headers = { date: tomorrow.toUTCString() };
    const conflict = dynamoDbError(400, "ConditionalCheckFailedException", { Item: itemOf(7, "theirs") });
    await using under = await serviceOf({ ...conflict, headers: { ...conflict.headers, ...headers } });
    const first = await under.journal.append(LOG, 7, Buffer.from("ours"), never);
    const second = await under.journal.append(LOG, 7, Buffer.from("ours"), never);
    expect(first.servedAtMs - first.signedAtMs).toBeGreaterThan(80_000_000);
    expect(Math.abs(second.servedAtMs - second.signedAtMs)).toBeLessThan(5_000);
  });
});

describe("what goes wrong says whether to wait and what to do", () => {
  const cases: readonly (readonly [Behaviour, boolean, RegExp])[] = [
    [dynamoDbError(400, "ProvisionedThroughputExceededException"), true, /table journals: throttled/],
    [dynamoDbError(400, "RequestLimitExceeded"), true, /throttled/],
    [dynamoDbError(400, "ThrottlingException"), true, /throttled/],
    [{ status: 429 }, true, /throttled/],
    [dynamoDbError(400, "ResourceNotFoundException"), false, /the table does not exist in this region: make it/],
    [dynamoDbError(400, "AccessDeniedException"), false, /allow these credentials dynamodb:PutItem/],
    [dynamoDbError(400, "UnrecognizedClientException"), false, /credentials are not accepted/],
    [dynamoDbError(400, "ExpiredTokenException"), false, /credentials have expired/],
    [dynamoDbError(400, "InvalidSignatureException"), false, /credentials are not accepted/],
    [dynamoDbError(400, "ValidationException"), false, /keys must be journal \(String\) and seq \(Number\)/],
    [dynamoDbError(500, "InternalServerError"), false, /InternalServerError \(HTTP 500\): told so/],
    [dynamoDbError(503, "ServiceUnavailable"), false, /ServiceUnavailable/],
    [{ status: 502, body: "<html>bad gateway</html>" }, false, /502/],
    ["cut", false, /socket hang up|ECONNRESET/],
    ["silence", false, /no answer within 500 ms/],
  ];

  test.each(cases)("%j", async (behaviour, throttled, text) => {
    await using under = await serviceOf(behaviour);
    const options = { from: 1, recordsMax: 10, bytesMax: 1_000, consistency: "strong" } as const;
    for (const call of [
      () => under.journal.append(LOG, 1, Buffer.from("a"), never),
      () => under.journal.read(LOG, options, never),
    ]) {
      const error: unknown = await call().catch((each) => each);
      const message = expect.stringMatching(text);
      expect(error).toMatchObject({ name: "JournalUnavailableError", throttled, message });
      expect(error).not.toHaveProperty("cause");
      expect(String(error)).not.toContain("\n");
    }
    // Never sent again in here: whoever called decides (J3).
    expect(under.bodies()).toHaveLength(2);
  });

  test("a silent service's connection is ended, and so is that of a caller who gives up", async () => {
    await using under = await serviceOf("silence");
    await expect(under.journal.append(LOG, 1, Buffer.from("a"), never)).rejects.toThrow("no answer within 500 ms");
    await expect.poll(() => under.service.abandoned).toBe(1);
    const controller = new AbortController();
    const reading = under.journal.last(LOG, controller.signal);
    await expect.poll(() => under.bodies()).toHaveLength(2);
    controller.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    await expect.poll(() => under.service.abandoned).toBe(2);
  });
});

describe("a read", () => {
  test("is a query for one record more than asked, strong or not as asked", async () => {
    const Items = [itemOf(4, "a"), itemOf(5, "b"), itemOf(6, "c")];
    await using under = await serviceOf(dynamoDbAnswer({ Items, LastEvaluatedKey: itemOf(6, "") }));
    const options = { from: 4, recordsMax: 2, bytesMax: 1_000 };
    const strong = await under.journal.read(LOG, { ...options, consistency: "strong" }, never);
    const eventual = await under.journal.read(LOG, { ...options, consistency: "eventual" }, never);
    for (const page of [strong, eventual]) {
      expect(page.records.map(({ seq, bytes }) => [seq, Buffer.from(bytes).toString()])).toEqual([
        [4, "a"],
        [5, "b"],
      ]);
      expect(page.isTruncated).toBe(true);
    }
    expect(under.bodies().map(({ Limit, ConsistentRead }) => [Limit, ConsistentRead])).toEqual([
      [3, true],
      [3, false],
    ]);
  });

  test("that the service ends early says that more may follow", async () => {
    await using under = await serviceOf(dynamoDbAnswer({ Items: [itemOf(4, "a")], LastEvaluatedKey: itemOf(4, "") }));
    const options = { from: 4, recordsMax: 9, bytesMax: 1_000, consistency: "strong" } as const;
    expect(await under.journal.read(LOG, options, never)).toMatchObject({ isTruncated: true });
  });
});

describe("a trim", () => {
  test("deletes below its mark in batches of 25, never the newest, and what was left over again", async () => {
    const keys = Array.from({ length: 30 }, (_, index) => ({ journal: { S: LOG }, seq: { N: String(index + 1) } }));
    const leftOver = { journals: [{ DeleteRequest: { Key: keys[3] } }] };
    await using under = await serviceOf(
      dynamoDbAnswer({ Items: [itemOf(31, "newest")] }),
      dynamoDbAnswer({ Items: keys }),
      dynamoDbAnswer({ UnprocessedItems: leftOver }),
      dynamoDbAnswer({}),
    );
    await under.journal.trim(LOG, 1_000, never);
    const [newest, query, ...deletes] = under.bodies();
    expect(newest).toMatchObject({ ScanIndexForward: false, Limit: 1, ConsistentRead: true });
    expect(query).toMatchObject({ ExpressionAttributeValues: { ":from": { N: "0" }, ":to": { N: "30" } } });
    const counts = deletes.map((body) => JSON.stringify(body).split("DeleteRequest").length - 1);
    expect(counts.toSorted()).toEqual([1, 25, 5]);
  });
});

describe("the opening", () => {
  test("gives a new table its format, and takes one that another process gave it just now", async () => {
    const level = { journal: { S: "#format" }, seq: { N: "0" }, level: { N: "1" } };
    await using under = await serviceOf(
      dynamoDbAnswer({ Items: [] }),
      dynamoDbAnswer({}),
      dynamoDbAnswer({ Items: [] }),
      dynamoDbError(400, "ConditionalCheckFailedException", { Item: level }),
    );
    await under.open();
    expect(under.bodies()[1]).toMatchObject({ Item: level });
    await under.open();
  });

  test("tries again a few times, so that a wrong clock is put right by the first refusal", async () => {
    const tomorrow = new Date(Date.now() + 86_400_000);
    const refusal = dynamoDbError(400, "InvalidSignatureException");
    await using under = await serviceOf(
      { ...refusal, headers: { ...refusal.headers, date: tomorrow.toUTCString() } },
      OPENED,
    );
    await under.open();
    expect(under.service.last.headers["x-amz-date"]).toMatch(
      new RegExp(`^${tomorrow.toISOString().slice(0, 10).replaceAll("-", "")}T`),
    );
    under.service.answer(dynamoDbError(400, "ResourceNotFoundException"));
    await expect(under.open()).rejects.toThrow("the table does not exist");
    expect(under.bodies()).toHaveLength(5);
  });

  test("refuses a table of an unknown format level with a text, and writes nothing", async () => {
    const level = { journal: { S: "#format" }, seq: { N: "0" }, level: { N: "2" } };
    await using under = await serviceOf(dynamoDbAnswer({ Items: [level] }));
    await expect(under.open()).rejects.toMatchObject({
      name: "JournalTableError",
      message:
        "table journals has format level 2, this version understands 1: run a newer version, or name another table",
    });
    expect(under.bodies()).toHaveLength(1);
  });
});

test("every attempt is counted with the units that the service tells, a lost put like a won one", async () => {
  const capacity = { ConsumedCapacity: { TableName: "journals", CapacityUnits: 3 } };
  await using under = await serviceOf(
    dynamoDbAnswer(capacity),
    dynamoDbError(400, "ConditionalCheckFailedException", { Item: itemOf(1, "x".repeat(2_000)) }),
    dynamoDbError(400, "ThrottlingException"),
  );
  await under.journal.append(LOG, 1, Buffer.alloc(2_500), never);
  await under.journal.append(LOG, 1, Buffer.alloc(10), never);
  await expect(under.journal.append(LOG, 1, Buffer.alloc(10), never)).rejects.toThrow("throttled");
  const puts = under.ledger.snapshot().find(({ kind }) => kind === "dynamodb:PutItem");
  expect(puts).toMatchObject({ target: "journals", requests: 3, failures: 1, units: 5 });
  expect(puts?.bytesSent).toBeGreaterThan(3_000);
  expect(puts?.bytesReceived).toBeGreaterThan(2_000);
});
