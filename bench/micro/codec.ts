import { decode, encode } from "#lib/protocol/codec.ts";
import { ProduceRequest } from "#lib/protocol/messages/produce.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { microsPerOperation } from "../support/timing.ts";
import { decodeProduceV9ByHand } from "./produce-v9-by-hand.ts";

const VERSION = 9;
const TOPICS = 10;
const PARTITIONS = 10;
const RECORDS_BYTES = 200;

/** The codec that schemas are turned into, beside one that knows a single version of a single message. */
export const codecSuite: BenchSuite = {
  name: "codec",
  what: "Produce v9 with 10 topics x 10 partitions x 200 bytes, beside a decoder written by hand",
  async run({ isSmall, repeats, wants }) {
    const count = isSmall ? 1_000 : 100_000;
    const records = Buffer.alloc(RECORDS_BYTES, 1);
    const request = {
      acks: -1,
      timeoutMs: 30_000,
      topicData: Array.from({ length: TOPICS }, (_, topic) => ({
        name: `topic-${topic}`,
        partitionData: Array.from({ length: PARTITIONS }, (_, index) => ({ index, records })),
      })),
    };
    const bytes = Buffer.concat(encode(ProduceRequest, VERSION, request));
    const measured: Measured[] = [];
    const row = { unit: "us", better: "lower" } as const;
    if (wants("decode Produce v9")) {
      measured.push({
        ...row,
        name: "decode Produce v9",
        ours: await microsPerOperation({ count, repeats }, (times) => {
          for (let i = 0; i < times; i++) decode(ProduceRequest, VERSION, bytes);
        }),
        reference: await microsPerOperation({ count, repeats }, (times) => {
          for (let i = 0; i < times; i++) decodeProduceV9ByHand(bytes);
        }),
      });
    }
    if (wants("encode Produce v9")) {
      measured.push({
        ...row,
        name: "encode Produce v9",
        ours: await microsPerOperation({ count, repeats }, (times) => {
          for (let i = 0; i < times; i++) encode(ProduceRequest, VERSION, request);
        }),
        reference: [],
      });
    }
    return measured;
  },
};
