import { describe, expect, test } from "vitest";
import { encode } from "#lib/protocol/codec.ts";
import { ProduceRequest } from "#lib/protocol/messages/produce.ts";
import { appendPathSuite } from "../../bench/micro/append-path.ts";
import { codecSuite } from "../../bench/micro/codec.ts";
import { fetchAssemblerSuite } from "../../bench/micro/fetch-assembler.ts";
import { decodeProduceV9ByHand } from "../../bench/micro/produce-v9-by-hand.ts";
import { recordSuite } from "../../bench/micro/record.ts";

// Those that need neither a disk nor another broker run here, in their small form, so that they keep running.
describe.each([appendPathSuite, codecSuite, recordSuite, fetchAssemblerSuite])("the $name benchmarks", (suite) => {
  test("measure something for every row", async () => {
    const context = { isSmall: true, repeats: 1, wants: () => true, say: () => {} };
    const measured = await suite.run(context);
    expect(measured.length).toBeGreaterThan(0);
    for (const { name, ours } of measured)
      expect(
        ours.every((micros) => micros > 0),
        name,
      ).toBe(true);
  });

  test("leave out rows that nobody asked for", async () => {
    const context = { isSmall: true, repeats: 1, wants: () => false, say: () => {} };
    expect(await suite.run(context)).toEqual([]);
  });
});

test("the decoder written by hand reads what the codec writes", () => {
  const partitionData = [{ index: 3, records: Buffer.from("records") }];
  const request = { acks: -1, timeoutMs: 30_000, topicData: [{ name: "topic", partitionData }] };
  const bytes = Buffer.concat(encode(ProduceRequest, 9, request));
  expect(decodeProduceV9ByHand(bytes)).toEqual({
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topics: [{ name: "topic", partitions: partitionData }],
  });
});
