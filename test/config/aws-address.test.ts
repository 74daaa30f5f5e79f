import { expect, test } from "vitest";
import { parseDynamoDbAddress, parseS3Address } from "#lib/config/aws-address.ts";
import { parseServeSettings, SettingsError } from "#lib/config/serve-settings.ts";
import { S3_EXPRESS_LINGER_MS, S3_LINGER_MS } from "#lib/util/limits.ts";

const NOWHERE = { endpoint: undefined, region: undefined };

test("a store's address names bucket, folder, region and endpoint", () => {
  expect(parseS3Address("s3://my.bucket-1")).toEqual({
    ...NOWHERE,
    bucket: "my.bucket-1",
    prefix: "",
    forcePathStyle: undefined,
  });
  expect(parseS3Address("s3://bucket/a/b/?endpoint=http://127.0.0.1:4566&region=eu-west-1&path-style=false")).toEqual({
    bucket: "bucket",
    prefix: "a/b",
    endpoint: "http://127.0.0.1:4566",
    region: "eu-west-1",
    forcePathStyle: false,
  });
  expect(parseS3Address("s3://bucket--use1-az4--x-s3")?.bucket).toBe("bucket--use1-az4--x-s3");
});

test("a table's address names table, region and endpoint", () => {
  expect(parseDynamoDbAddress("dynamodb://My_Table.1")).toEqual({ ...NOWHERE, table: "My_Table.1" });
  expect(parseDynamoDbAddress("dynamodb://table?endpoint=https://host&region=us-east-1")).toEqual({
    table: "table",
    endpoint: "https://host",
    region: "us-east-1",
  });
});

test.each([
  "bucket",
  "s3://",
  "s3:///prefix",
  "s3://Bucket",
  "s3://bucket/a//b",
  "s3://bucket/../b",
  "s3://bucket/a b",
  "s3://bucket?zone=1",
  "s3://bucket?endpoint=127.0.0.1:4566",
  "s3://bucket?region=",
  "s3://bucket?path-style=yes",
  "dynamodb://bucket",
  `s3://bucket/${"x".repeat(300)}`,
])("%s is no store's address", (text) => {
  expect(parseS3Address(text)).toBeUndefined();
});

test.each(["table", "dynamodb://", "dynamodb://t", "dynamodb://table/x", "dynamodb://table?x=1", "s3://table"])(
  "%s is no table's address",
  (text) => {
    expect(parseDynamoDbAddress(text)).toBeUndefined();
  },
);

test("stores and a journal in AWS have defaults of their own, which settings overrule", () => {
  const journal = "dynamodb://table";
  const settings = parseServeSettings({ store: ["s3://one", "s3://two"], journal });
  expect(settings.aws?.stores.map(({ bucket }) => bucket)).toEqual(["one", "two"]);
  expect(settings.aws?.journal.table).toBe("table");
  expect([settings.lingerMs, settings.inlineBytesMax]).toEqual([S3_LINGER_MS, 8_192]);
  const express = parseServeSettings({ store: "s3://one--use1-az4--x-s3", journal });
  expect([express.lingerMs, express.inlineBytesMax]).toEqual([S3_EXPRESS_LINGER_MS, 4_096]);
  const own = parseServeSettings({ store: "s3://one", journal, "linger-ms": "7", "inline-bytes": "0" });
  expect([own.lingerMs, own.inlineBytesMax]).toEqual([7, 0]);
  expect(parseServeSettings({}).aws).toBeUndefined();
});

test.each([
  [{ store: "s3://one" }, "journal: missing; stores in S3 need dynamodb://TABLE"],
  [{ journal: "dynamodb://table" }, "store: missing; journals in DynamoDB need s3://BUCKET"],
  [{ store: "s3://one", journal: "table" }, 'journal: "table" is not usable: expected dynamodb://TABLE'],
  [{ store: ["s3://one", "two"], journal: "dynamodb://table" }, 'store: "two" is not usable: expected s3://BUCKET'],
  [{ store: ["s3://one", "s3://one"], journal: "dynamodb://table" }, "store: s3://one is given twice"],
  [{ store: "s3://one", journal: "dynamodb://table", "data-dir": "d" }, "data-dir: not used with store and journal"],
])("%j is refused with a text", (given, text) => {
  expect(() => parseServeSettings(given)).toThrow(SettingsError);
  expect(() => parseServeSettings(given)).toThrow(text);
});
