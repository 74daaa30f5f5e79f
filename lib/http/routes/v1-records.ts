import { z } from "zod";
import { FETCHED_RECORDS } from "#lib/runtime/metrics.ts";
import type { Offset } from "#lib/util/branded.ts";
import { HTTP_BINARY_BYTES_MAX, HTTP_FETCH_BYTES, HTTP_WAIT_MS_MAX } from "#lib/util/limits.ts";
import { type Call, type Endpoint, endpoint } from "../endpoint.ts";
import { eventStreamResponse } from "../event-stream.ts";
import {
  offsetBehind,
  type PartitionRead,
  type ReadPartition,
  readPartition,
  recordsFrom,
  resolveOffset,
  type StartOffset,
} from "../fetch-records.ts";
import { findTopic } from "../find-topic.ts";
import { BINARY_TYPE, EVENT_STREAM_TYPE, JSON_TYPE } from "../media-types.ts";
import { partitionParams, wholeNumber } from "../parameters.ts";
import { RECORD_EXAMPLE, RecordSchema, recordJson } from "../record-json.ts";

// Fetching by offset, without a consumer: one path, three forms of answer.

const offsetParam = z
  .string()
  .transform((text, context): StartOffset => {
    if (text === "earliest" || text === "latest") return text;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value)) return value;
    context.addIssue({ code: "custom", message: "expected an offset, earliest or latest" });
    return z.NEVER;
  })
  .meta({
    pattern: "^(earliest|latest|[0-9]{1,15})$",
    description: "Where to begin: an offset, `earliest` (the default) or `latest`.",
    example: "earliest",
  });

const query = z.strictObject({
  offset: offsetParam.optional(),
  max_bytes: wholeNumber(
    { min: 1, max: HTTP_BINARY_BYTES_MAX },
    { description: `Of record batches, ${HTTP_FETCH_BYTES} unless said. One batch comes even if it is larger.` },
  ).optional(),
  timeout: wholeNumber(
    { min: 0, max: HTTP_WAIT_MS_MAX },
    {
      description: "How long to wait for records to come, in milliseconds; 0 (the default) answers at once.",
      example: 0,
    },
  ).optional(),
  isolation: z
    .enum(["read_uncommitted", "read_committed"])
    .optional()
    .meta({ description: "`read_committed` stops before records of transactions that are open." }),
});

const headers = z.object({
  "last-event-id": wholeNumber(
    { min: 0, max: Number.MAX_SAFE_INTEGER },
    { description: "Event streams only: go on behind this offset, whatever `offset` says." },
  ).optional(),
});

const FetchAnswer = z
  .object({
    topic: z.string(),
    partition: z.int(),
    log_start_offset: z.int(),
    high_watermark: z.int(),
    last_stable_offset: z.int(),
    next_offset: z.int().meta({ description: "Where to go on." }),
    records: z.array(RecordSchema),
  })
  .meta({ id: "V1Records" });

const OFFSET_HEADERS = {
  "next-offset": "Where to go on.",
  "log-start-offset": "The first offset that is left.",
  "high-watermark": "The offset that the next record will get.",
  "last-stable-offset": "The bound of read_committed.",
};

const fetchRecords = endpoint(
  {
    method: "get",
    path: "/v1/topics/{topic}/partitions/{partition}/records",
    area: "v1",
    tag: "records",
    operationId: "fetchRecords",
    summary: "Read records from an offset on",
    description:
      "As JSON; as whole record batches in Kafka's v2 form (`Accept: application/octet-stream`, the first of which may " +
      "begin before the offset); or as server-sent events (`Accept: text/event-stream`), which go on until the client " +
      "leaves: each event's id is its record's offset, and `Last-Event-ID` resumes behind it.",
    params: partitionParams,
    query,
    headers,
    answerTypes: [JSON_TYPE, BINARY_TYPE, EVENT_STREAM_TYPE],
    answers: {
      200: {
        description: "Records in the order of their offsets; none if there are none yet.",
        schema: FetchAnswer,
        example: {
          topic: "orders",
          partition: 0,
          log_start_offset: 0,
          high_watermark: 13,
          last_stable_offset: 13,
          next_offset: 13,
          records: [RECORD_EXAMPLE],
        },
        otherTypes: { [BINARY_TYPE]: z.string().meta({ format: "binary" }), [EVENT_STREAM_TYPE]: z.string() },
        headers: OFFSET_HEADERS,
      },
    },
    refusals: {
      404: "40401: there is no such topic; 40402: it has no such partition.",
      416: "41601: the partition does not hold the offset, neither as its next one.",
      422: "42210, 42215: a batch that is damaged, or too large to be opened here; whole batches are handed out.",
      503: "50302: not available at the moment; 50303: too many event streams.",
    },
  },
  async ({ params, query: asked, headers: { "last-event-id": lastEventId }, ...call }) => {
    const { answerType, principal, runtime, request, signal } = call;
    const topic = await findTopic(params.topic, "read", call, params.partition);
    const readCommitted = asked.isolation === "read_committed";
    const isStream = answerType === EVENT_STREAM_TYPE;
    const start = isStream && lastEventId !== undefined ? lastEventId + 1 : (asked.offset ?? "earliest");
    const where = { topic, partition: params.partition, readCommitted };
    const offset = await resolveOffset(start, where, runtime, signal);
    if (isStream) {
      // One that cannot begin is refused like any other request.
      await readPartition({ ...where, offset, bytesMax: 1, waitMs: 0 }, runtime, signal);
      return eventStreamResponse({ ...where, offset, principal }, runtime, request);
    }
    const bytesMax = asked.max_bytes ?? HTTP_FETCH_BYTES;
    const waitMs = Math.min(asked.timeout ?? 0, runtime.settings.waitMsMax);
    const read: PartitionRead = { ...where, offset, bytesMax, waitMs };
    const found = await readPartition(read, runtime, signal);
    // What came after the key had gone is not for its holder.
    await principal.requireValid?.();
    return answerType === BINARY_TYPE ? binaryAnswer(read, found) : jsonAnswer(read, found, runtime);
  },
);

export const V1_RECORD_ROUTES: readonly Endpoint[] = [fetchRecords];

function binaryAnswer({ offset }: PartitionRead, { bytes, ...found }: ReadPartition): Response {
  const headersOfOffsets = offsetHeaders(found, offsetBehind(bytes, offset));
  return new Response(bytes, { headers: { "content-type": BINARY_TYPE, ...headersOfOffsets } });
}

function jsonAnswer(
  { topic, partition, offset }: PartitionRead,
  found: ReadPartition,
  { settings, telemetry }: Call["runtime"],
): Response {
  const { bytes, logStartOffset, highWatermark, lastStableOffset } = found;
  const texts: string[] = [];
  let nextOffset = offsetBehind(bytes, offset);
  let byteLength = 0;
  for (const record of recordsFrom(bytes, offset)) {
    const text = recordJson(record);
    byteLength += text.length + 1;
    if (texts.length > 0 && byteLength > settings.bodyBytesMax) {
      nextOffset = record.offset;
      break;
    }
    texts.push(text);
  }
  telemetry.count(FETCHED_RECORDS, texts.length);
  const head = {
    topic: topic.name,
    partition,
    log_start_offset: logStartOffset,
    high_watermark: highWatermark,
    last_stable_offset: lastStableOffset,
    next_offset: nextOffset,
  };
  const body = `${JSON.stringify(head).slice(0, -1)},"records":[${texts.join(",")}]}`;
  return new Response(body, { headers: { "content-type": JSON_TYPE, ...offsetHeaders(found, nextOffset) } });
}

function offsetHeaders(
  { logStartOffset, highWatermark, lastStableOffset }: Omit<ReadPartition, "bytes">,
  nextOffset: Offset,
): Readonly<Record<string, string>> {
  return {
    "next-offset": String(nextOffset),
    "log-start-offset": String(logStartOffset),
    "high-watermark": String(highWatermark),
    "last-stable-offset": String(lastStableOffset),
  };
}
