import { describe, expect, test } from "vitest";
import {
  dynamoDbEndpoint,
  hasDynamoDb,
  hasS3,
  makeBucket,
  makeTable,
  s3Endpoint,
  uniqueName,
} from "../adapters/aws/emulator.ts";
import { batchOf, createTopic, produce, readAll } from "./kafka-calls.ts";
import { ServeProcess } from "./serve-process.ts";

const MAIN = [process.execPath, "bin/millrace.ts", "serve", "--kafka", "127.0.0.1:0"];

const storeUrl = (bucket: string) => `s3://${bucket}?endpoint=${s3Endpoint()}`;
const journalUrl = (table: string) => `dynamodb://${table}?endpoint=${dynamoDbEndpoint()}`;

function serveOn(stores: readonly string[], table: string, ...more: readonly string[]): ServeProcess {
  const own = stores.flatMap((store) => ["--store", store.startsWith("s3://") ? store : storeUrl(store)]);
  return new ServeProcess([...MAIN, ...own, "--journal", journalUrl(table), ...more]);
}

/** What it says when it cannot start, without the lines of the log. */
async function refusalOf(process: ServeProcess): Promise<string> {
  await using started = process;
  const { code, stdout, stderr } = await started.ended;
  expect([code, stdout]).toEqual([1, ""]);
  return stderr
    .split("\n")
    .filter((line) => !line.startsWith("{"))
    .join("\n");
}

describe.runIf(hasS3 && hasDynamoDb)("serve with stores in S3 and journals in DynamoDB", () => {
  test("keeps what it acknowledged across a kill, in objects and in records", async () => {
    const stores = [await makeBucket(), `s3://${await makeBucket()}/a/folder?endpoint=${s3Endpoint()}`];
    const table = await makeTable();
    const large = Array.from({ length: 40 }, (_, index) => `${index} ${"x".repeat(5_000)}`);
    {
      await using broker = serveOn(stores, table);
      await using connection = await broker.connect();
      await createTopic(connection, "t");
      expect((await produce(connection, { topic: "t" }, batchOf(["small"]))).errorCode).toBe(0);
      expect((await produce(connection, { topic: "t" }, batchOf(large))).errorCode).toBe(0);
      expect(await readAll(connection, "t")).toEqual(["small", ...large]);
      await broker.stop("SIGKILL");
    }
    await using again = serveOn(stores, table);
    await using connection = await again.connect();
    expect(await readAll(connection, "t")).toEqual(["small", ...large]);
    const { code, stderr } = await again.stop();
    expect(code).toBe(0);
    expect(stderr).toContain('"kind":"dynamodb:Query"');
  });

  test("says in one line what is missing, and makes nothing", async () => {
    const bucket = await makeBucket();
    const table = await makeTable();
    const nobody = uniqueName();
    expect(await refusalOf(serveOn([bucket], nobody))).toMatch(
      /^millrace: cannot start: JournalUnavailableError: table \S+: the table does not exist in this region: make it.*\n$/,
    );
    expect(await refusalOf(serveOn([bucket, nobody], table))).toMatch(
      new RegExp(
        `^millrace: cannot start: StoreUnavailableError: store s3://${nobody}: the bucket does not exist: make it.*\\n$`,
      ),
    );
    const unreachable = "s3://bucket?endpoint=http://127.0.0.1:1";
    expect(await refusalOf(serveOn([unreachable], table))).toMatch(/store s3:\/\/bucket: cannot be reached .*\n$/);
    await using broker = serveOn([bucket], table);
    await broker.ready();
    await broker.stop();
    expect(await refusalOf(serveOn([await makeBucket()], table))).toMatch(/has no marker: it is not store 0.*\n$/);
  });

  test("says that credentials are missing", async () => {
    const none = {
      AWS_ACCESS_KEY_ID: "",
      AWS_SECRET_ACCESS_KEY: "",
      AWS_EC2_METADATA_DISABLED: "true",
      HOME: "/nowhere",
    };
    const command = [...MAIN, "--store", storeUrl("bucket"), "--journal", journalUrl("table")];
    expect(await refusalOf(new ServeProcess(command, none))).toMatch(
      /table table: no AWS credentials are found: set .*\n$/,
    );
  });
});
