import { z } from "zod";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { HTTP_RECORDS_MAX } from "#lib/util/limits.ts";
import { base64Bytes, base64Of } from "../base64.ts";
import { type Call, type Endpoint, endpoint } from "../endpoint.ts";
import { httpErrorOf, recordErrorCode } from "../error-table.ts";
import { jsonBytesOf } from "../faithful-json.ts";
import { findTopicToWrite, requirePartition } from "../find-topic.ts";
import { JSON_TYPE, KAFKA_TYPE, V2_BINARY_TYPE, V2_JSON_TYPE, V2_TYPE } from "../media-types.ts";
import { partitionParams, topicParams } from "../parameters.ts";
import { Partitioner } from "../place-records.ts";
import { appendBatches, type BatchOutcome, batchesOf, type PlacedRecord } from "../produce-records.ts";

// Producing as the REST Proxy's v2 has it. Embedded formats: binary (base64) and JSON, whose keys and values are written as
// JSON text in UTF-8. A less specific content type means binary.

const jsonBytes = z
  .unknown()
  .optional()
  .transform((value): Uint8Array | null => (value === undefined || value === null ? null : jsonBytesOf(value)))
  .meta({ description: "Any JSON." });

/** Fields that the REST Proxy has for formats with schemas; they say nothing here. */
const schemaFields = {
  key_schema: z.null().optional(),
  value_schema: z.null().optional(),
  key_schema_id: z.null().optional(),
  value_schema_id: z.null().optional(),
};

function requestOf<R extends z.ZodType>(record: R, id: string) {
  return z.strictObject({ ...schemaFields, records: z.array(record).min(1).max(HTTP_RECORDS_MAX) }).meta({ id });
}

const partitionField = z.int().min(0).max(0x7fff_ffff).nullish();
const binaryFields = { key: base64Bytes.nullish(), value: base64Bytes.nullish() };
const jsonFields = { key: jsonBytes, value: jsonBytes };

const topicBody = bodyOf(
  requestOf(z.strictObject({ ...binaryFields, partition: partitionField }), "V2BinaryRecords"),
  requestOf(z.strictObject({ ...jsonFields, partition: partitionField }), "V2JsonRecords"),
);
const partitionBody = bodyOf(
  requestOf(z.strictObject(binaryFields), "V2BinaryPartitionRecords"),
  requestOf(z.strictObject(jsonFields), "V2JsonPartitionRecords"),
);

function bodyOf<B extends z.ZodType, J extends z.ZodType>(binary: B, json: J) {
  return {
    [V2_JSON_TYPE]: json,
    [V2_BINARY_TYPE]: binary,
    [V2_TYPE]: binary,
    [KAFKA_TYPE]: binary,
    [JSON_TYPE]: binary,
  };
}

const encoded = (text: string) => base64Of(Buffer.from(text));
const BODY_EXAMPLES = {
  [V2_JSON_TYPE]: { records: [{ key: "alice", value: { item: "book" } }] },
  [V2_BINARY_TYPE]: { records: [{ key: encoded("alice"), value: encoded("book") }] },
  [V2_TYPE]: { records: [{ value: encoded("book") }] },
  [JSON_TYPE]: { records: [{ value: encoded("book") }] },
};

const RecordOffset = z.object({
  partition: z.int().nullable(),
  offset: z.int().nullable(),
  error_code: z.int().nullable(),
  error: z.string().nullable(),
});
const ProduceAnswer = z
  .object({ offsets: z.array(RecordOffset), key_schema_id: z.null(), value_schema_id: z.null() })
  .meta({ id: "V2ProduceAnswer" });

const ANSWERS = {
  200: {
    description:
      "One entry a record, in their order. Where only some were written, the others have error_code 50003 (send them " +
      "again) or 50002 and a text; if none was, the status says why.",
    schema: ProduceAnswer,
    example: {
      offsets: [{ partition: 0, offset: 12, error_code: null, error: null }],
      key_schema_id: null,
      value_schema_id: null,
    },
  },
};
const REFUSALS = {
  404: "40401: there is no such topic, and none is made (`auto.create.topics.enable`); 40402: no such partition.",
  413: "41301: the body is too large; 41302: a record is larger than the topic's `max.message.bytes`.",
  422: "422: other JSON than expected; 42206: no base64; 42211 and 42212: the topic's rules refuse a record.",
};
const DESCRIPTION =
  "A record goes to the partition that it names, else by its key as Kafka's Java clients place it (murmur2); records " +
  "without a key share a partition chosen at random for each request. Nothing is written if any record is refused.";

const produceToTopic = endpoint(
  {
    method: "post",
    path: "/topics/{topic}",
    area: "v2",
    tag: "produce",
    operationId: "produceToTopic",
    summary: "Write records to a topic",
    description: DESCRIPTION,
    params: topicParams,
    body: topicBody,
    bodyExamples: BODY_EXAMPLES,
    keepsNumbers: true,
    answers: ANSWERS,
    refusals: REFUSALS,
  },
  async (call) => {
    const { records } = call.body;
    const highest = records.reduce((most, { partition }) => Math.max(most, partition ?? -1), -1);
    const topic = await findTopicToWrite(call.params.topic, call, highest);
    const partitioner = new Partitioner(topic.partitionCount, call.runtime.broker.random);
    for (const { partition } of records) {
      if (typeof partition === "number") requirePartition(topic, partition);
    }
    return produce(call, topic, (record, key) => record.partition ?? partitioner.partitionOf(key));
  },
);

const produceToPartition = endpoint(
  {
    method: "post",
    path: "/topics/{topic}/partitions/{partition}",
    area: "v2",
    tag: "produce",
    operationId: "produceToPartition",
    summary: "Write records to a partition",
    params: partitionParams,
    body: partitionBody,
    bodyExamples: BODY_EXAMPLES,
    keepsNumbers: true,
    answers: ANSWERS,
    refusals: REFUSALS,
  },
  async (call) => {
    const { partition } = call.params;
    const topic = await findTopicToWrite(call.params.topic, call, partition);
    requirePartition(topic, partition);
    return produce(call, topic, () => partition);
  },
);

export const V2_PRODUCE_ROUTES: readonly Endpoint[] = [produceToTopic, produceToPartition];

interface V2Record {
  readonly key?: Uint8Array | null | undefined;
  readonly value?: Uint8Array | null | undefined;
  readonly partition?: number | null | undefined;
}

async function produce(
  { body, runtime, signal }: Call<unknown, unknown, unknown, { readonly records: readonly V2Record[] }>,
  topic: TopicView,
  place: (record: V2Record, key: Uint8Array | null) => number,
) {
  const timestampMs = runtime.broker.clock.nowMs();
  const records = body.records.map((record): PlacedRecord => {
    const key = record.key ?? null;
    return { timestampMs, key, value: record.value ?? null, partition: place(record, key) };
  });
  const outcomes = await appendBatches(topic, batchesOf(records, topic), runtime, signal);
  const first = outcomes[0]?.answer;
  if (first?.kind === "refused" && outcomes.every(({ answer }) => answer.kind === "refused")) {
    throw httpErrorOf(first.error, first.message);
  }
  return { value: { offsets: offsetsOf(outcomes, records.length), key_schema_id: null, value_schema_id: null } };
}

/** One entry a record, in the order of the request. */
function offsetsOf(outcomes: readonly BatchOutcome[], count: number): readonly z.output<typeof RecordOffset>[] {
  const offsets = new Array<z.output<typeof RecordOffset>>(count);
  for (const { batch, answer } of outcomes) {
    for (const [at, place] of batch.places.entries()) {
      offsets[place] =
        answer.kind === "refused"
          ? {
              partition: null,
              offset: null,
              error_code: recordErrorCode(answer.error),
              error: answer.message ?? errorMessage(answer.error),
            }
          : { partition: batch.partition, offset: answer.baseOffset + at, error_code: null, error: null };
    }
  }
  return offsets;
}
