import { z } from "zod";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { CorruptRecordError } from "#lib/record/errors.ts";
import type { NewRecord } from "#lib/record/record.ts";
import { splitBatches } from "#lib/record/record-batch.ts";
import { HTTP_RECORDS_MAX } from "#lib/util/limits.ts";
import { CLUSTER, requireAccess } from "../access.ts";
import { base64Bytes, base64Of } from "../base64.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";
import { findTopicToWrite, requirePartition } from "../find-topic.ts";
import { HttpError } from "../http-error.ts";
import { BINARY_TYPE, JSON_TYPE } from "../media-types.ts";
import { partitionParams, wholeNumber } from "../parameters.ts";
import { appendBatches, type BatchOutcome, batchesOf, batchOfAll, type OutgoingBatch } from "../produce-records.ts";

// Producing to one partition, in our own terms: what the answer says holds for the request as a whole, and a producer may
// number its requests so that one sent twice is written once.

const Header = z.strictObject({ key: z.string(), value: base64Bytes.nullish() });
const NewRecordSchema = z.strictObject({
  key: base64Bytes.nullish(),
  value: base64Bytes.nullish(),
  headers: z.array(Header).optional(),
  timestamp: z
    .int()
    .min(0)
    .optional()
    .meta({ description: "Milliseconds since 1970; the time of the request if left out." }),
});
const ProduceBody = z
  .strictObject({ records: z.array(NewRecordSchema).min(1).max(HTTP_RECORDS_MAX) })
  .meta({ id: "V1NewRecords" });
const RawBatches = z.instanceof(Uint8Array).meta({ type: "string", format: "binary" });

const PRODUCER_HEADERS = ["producer-id", "producer-epoch", "producer-seq"] as const;

const headers = z
  .object({
    "producer-id": wholeNumber(
      { min: 0, max: Number.MAX_SAFE_INTEGER },
      { description: "An id from POST /v1/producers." },
    ).optional(),
    "producer-epoch": wholeNumber({ min: 0, max: 0x7fff }, { description: "The epoch that came with it." }).optional(),
    "producer-seq": wholeNumber(
      { min: 0, max: 0x7fff_ffff },
      {
        description:
          "Number of the first record among all that this producer has written to the partition, from 0; it wraps " +
          "behind 2147483647. The next request's is this one plus the number of records.",
      },
    ).optional(),
  })
  .refine((given) => new Set(PRODUCER_HEADERS.map((name) => given[name] === undefined)).size === 1, {
    message: "Producer-Id, Producer-Epoch and Producer-Seq come together or not at all",
  });

const Batch = z.object({
  base_offset: z.int().nullable(),
  record_count: z.int(),
  duplicate: z.boolean(),
  error: z.string().nullable(),
});
const ProduceAnswer = z
  .object({
    topic: z.string(),
    partition: z.int(),
    base_offset: z.int().meta({ description: "Of the first record." }),
    record_count: z.int(),
    duplicate: z.boolean().meta({ description: "The producer has sent this before, and it is written once." }),
    batches: z.array(Batch).meta({ description: "What the records were written as; offsets are dense within each." }),
  })
  .meta({ id: "V1ProduceAnswer" });

const encoded = (text: string) => base64Of(Buffer.from(text));

const produceToPartition = endpoint(
  {
    method: "post",
    path: "/v1/topics/{topic}/partitions/{partition}/records",
    area: "v1",
    tag: "records",
    operationId: "produceRecords",
    summary: "Write records to a partition",
    description:
      "As JSON with base64, or as record batches in Kafka's v2 form, one behind the other, which are stored as they are. " +
      "With Producer-Id, Producer-Epoch and Producer-Seq a request may be sent again until it is answered. A missing " +
      "topic is made if the broker's `auto.create.topics.enable` says so.",
    params: partitionParams,
    headers,
    body: { [JSON_TYPE]: ProduceBody, [BINARY_TYPE]: RawBatches },
    bodyExamples: {
      [JSON_TYPE]: { records: [{ key: encoded("alice"), value: encoded("book"), headers: [] }] },
    },
    answers: {
      200: {
        description: "Everything is written.",
        schema: ProduceAnswer,
        example: {
          topic: "orders",
          partition: 0,
          base_offset: 12,
          record_count: 1,
          duplicate: false,
          batches: [{ base_offset: 12, record_count: 1, duplicate: false, error: null }],
        },
      },
    },
    refusals: {
      404: "40401: there is no such topic, and none is made; 40402: it has no such partition.",
      409: "40910: records before these are missing; 40911: the producer has a newer epoch.",
      413: "41301: the body is too large; 41302: a record is larger than the topic's `max.message.bytes`.",
      422: "422: other JSON than expected; 42206: no base64; 42210: a damaged batch; 42211 to 42213: refused by a rule.",
      503: "50302: not available at the moment. If `batches` is there, some of them were written.",
    },
  },
  async ({ params, headers: given, body, principal, runtime, signal }) => {
    const topic = await findTopicToWrite(params.topic, { principal, runtime, signal }, params.partition);
    requirePartition(topic, params.partition);
    const producer = producerOf(given);
    const batches =
      body instanceof Uint8Array
        ? rawBatches(body, params.partition, producer !== undefined)
        : newBatches(body.records, { topic, partition: params.partition, producer }, runtime.broker.clock.nowMs());
    const outcomes = await appendBatches(topic, batches, runtime, signal);
    return { value: answerOf(topic, params.partition, outcomes) };
  },
);

const newProducer = endpoint(
  {
    method: "post",
    path: "/v1/producers",
    area: "v1",
    tag: "records",
    operationId: "newProducer",
    summary: "Get a producer id",
    description: "An id that nobody else has, for the headers Producer-Id and Producer-Epoch. It needs no giving back.",
    answers: {
      201: {
        description: "The id, and the epoch to use it with.",
        schema: z.object({ producer_id: z.int(), producer_epoch: z.int() }).meta({ id: "V1Producer" }),
        example: { producer_id: 1000, producer_epoch: 0 },
      },
    },
  },
  async ({ principal, runtime, signal }) => {
    requireAccess(principal, "write", CLUSTER);
    const producerId = await runtime.broker.producerIds.next(signal);
    return { status: 201, value: { producer_id: producerId, producer_epoch: 0 } };
  },
);

export const V1_PRODUCE_ROUTES: readonly Endpoint[] = [produceToPartition, newProducer];

interface Producer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

function producerOf(given: z.output<typeof headers>): Producer | undefined {
  const { "producer-id": producerId, "producer-epoch": producerEpoch, "producer-seq": baseSequence } = given;
  if (producerId === undefined || producerEpoch === undefined || baseSequence === undefined) return undefined;
  return { producerId, producerEpoch, baseSequence };
}

/** A numbered request is one batch, so that it is written as a whole or not at all. */
function newBatches(
  given: readonly z.output<typeof NewRecordSchema>[],
  to: { readonly topic: TopicView; readonly partition: number; readonly producer: Producer | undefined },
  nowMs: number,
): readonly OutgoingBatch[] {
  const records = given.map(
    ({ key = null, value = null, headers: pairs = [], timestamp = nowMs }): NewRecord => ({
      timestampMs: timestamp,
      key,
      value,
      headers: pairs.map((pair) => ({ key: pair.key, value: pair.value ?? null })),
    }),
  );
  if (to.producer !== undefined) return [batchOfAll(records, to.partition, to.producer)];
  return batchesOf(
    records.map((record) => ({ ...record, partition: to.partition })),
    to.topic,
  );
}

function rawBatches(body: Uint8Array, partition: number, isNumbered: boolean): readonly OutgoingBatch[] {
  if (isNumbered) {
    const message = "A record batch carries its producer itself; leave Producer-Id, -Epoch and -Seq out.";
    throw new HttpError({ status: 400, message });
  }
  const { batches, tailBytes } = splitRaw(body);
  if (batches.length === 0 || tailBytes !== 0) {
    const message = `The body is no sequence of whole record batches: ${tailBytes} bytes are left behind ${batches.length} of them.`;
    throw new HttpError({ status: 422, errorCode: 42210, message });
  }
  return batches.map((bytes) => ({ partition, places: [], bytes }));
}

function splitRaw(body: Uint8Array): ReturnType<typeof splitBatches> {
  try {
    return splitBatches(body);
  } catch (cause) {
    if (!(cause instanceof CorruptRecordError)) throw cause;
    throw new HttpError({ status: 422, errorCode: 42210, message: `The body: ${cause.message}`, cause });
  }
}

function answerOf(topic: TopicView, partition: number, outcomes: readonly BatchOutcome[]) {
  const batches = outcomes.map(({ recordCount, answer }) =>
    answer.kind === "refused"
      ? {
          base_offset: null,
          record_count: recordCount,
          duplicate: false,
          error: answer.message ?? errorMessage(answer.error),
        }
      : {
          base_offset: answer.baseOffset,
          record_count: recordCount,
          duplicate: answer.kind === "duplicate",
          error: null,
        },
  );
  const refused = outcomes.find(({ answer }) => answer.kind === "refused")?.answer;
  if (refused?.kind === "refused") {
    const error = httpErrorOf(refused.error, refused.message);
    const isWhole = outcomes.every(({ answer }) => answer.kind === "refused");
    const { status, errorCode, message, headers: extra } = error;
    throw isWhole ? error : new HttpError({ status, errorCode, message, headers: extra, details: { batches } });
  }
  return {
    topic: topic.name,
    partition,
    base_offset: batches[0]?.base_offset,
    record_count: batches.reduce((sum, batch) => sum + batch.record_count, 0),
    duplicate: batches.every(({ duplicate }) => duplicate),
    batches,
  };
}
