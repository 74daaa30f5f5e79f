import { z } from "zod";
import { HTTP_V3_RECORDS_MAX } from "#lib/util/limits.ts";
import { requireAccess, topicResource } from "../access.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { findTopicToWrite } from "../find-topic.ts";
import { HttpError } from "../http-error.ts";
import { JSON_TYPE } from "../media-types.ts";
import { produceEach } from "../v3-produce.ts";
import { isSentInChunks, produceBody, produceStream } from "../v3-produce-stream.ts";
import { EXAMPLE_RECORD, EXAMPLE_REPORT, RECORD_FIELDS, V3Record, V3Report, V3Success } from "../v3-record.ts";
import { inCluster, NO_CLUSTER, topicInCluster, v3Urls } from "../v3-resource.ts";

// Producing as the REST Proxy's v3 has it: one record or a stream of them, and a batch of records with ids.

const TAG = "records (v3)";
const REFUSALS = {
  404: `404: ${NO_CLUSTER}; no such topic, and none is made (\`auto.create.topics.enable\`); no such partition.`,
  413: "413: the body is too large, has too many records, or one larger than the topic's `max.message.bytes`.",
  422: "422: a record of another form than expected, of no base64, or against the topic's rules.",
};

const produceRecords = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/records"),
    method: "post",
    operationId: "v3ProduceRecords",
    summary: "Write one record, or a stream of records",
    description:
      "Several records stand one behind the other in the body, and so do the answers, each with an error_code of its own: " +
      "200, or why this record is not written while the others are. What is no JSON ends the body. A body in chunks " +
      "(`Transfer-Encoding: chunked`) is answered while it is being sent, for as long as it is. The answer to one record " +
      "has its status.",
    params: topicInCluster,
    streamedBody: { [JSON_TYPE]: V3Record },
    bodyExamples: { [JSON_TYPE]: EXAMPLE_RECORD },
    answers: {
      200: {
        description: "One object a record, in their order.",
        schema: V3Report,
        example: { error_code: 200, ...EXAMPLE_REPORT },
      },
    },
    refusals: REFUSALS,
  },
  async (call) => {
    v3Urls(call);
    const { params, request } = call;
    const name = params.topic_name;
    await findTopicToWrite(name, call);
    return isSentInChunks(request) ? produceStream(name, call) : produceBody(name, call);
  },
);

const Entry = z.strictObject({ id: z.string().min(1).max(80), ...RECORD_FIELDS }).meta({ id: "V3BatchEntry" });
const BatchBody = z
  .strictObject({ entries: z.array(Entry).min(1).max(HTTP_V3_RECORDS_MAX) })
  .meta({ id: "V3BatchRequest" });
const BatchAnswer = z
  .object({
    successes: z.array(V3Success),
    failures: z.array(z.object({ id: z.string(), error_code: z.int(), message: z.string() })),
  })
  .meta({ id: "V3BatchAnswer" });

const produceBatch = endpoint(
  {
    ...inCluster(TAG, "/topics/{topic_name}/records:batch"),
    method: "post",
    operationId: "v3ProduceBatch",
    summary: "Write records with ids",
    description:
      "Ids are the caller's, and distinct within the request. What cannot be written does not stop the others.",
    params: topicInCluster,
    body: { [JSON_TYPE]: BatchBody },
    bodyExamples: { [JSON_TYPE]: { entries: [{ id: "1", ...EXAMPLE_RECORD }] } },
    keepsNumbers: true,
    answers: {
      207: {
        description: "What became of each, in the order of the request.",
        schema: BatchAnswer,
        example: {
          successes: [{ id: "1", ...EXAMPLE_REPORT }],
          failures: [{ id: "2", error_code: 422, message: "The key is not base64." }],
        },
      },
    },
    refusals: REFUSALS,
  },
  async (call) => {
    v3Urls(call);
    const { params, body, principal } = call;
    const name = params.topic_name;
    requireAccess(principal, "write", topicResource(name));
    const ids = body.entries.map(({ id }) => id);
    if (new Set(ids).size < ids.length) throw new HttpError({ status: 422, message: "The ids are not distinct." });
    const results = await produceEach(body.entries, name, call);
    const successes: unknown[] = [];
    const failures: unknown[] = [];
    for (const [at, result] of results.entries()) {
      const id = ids[at];
      if (result instanceof HttpError) failures.push({ id, error_code: result.status, message: result.message });
      else successes.push({ id, ...result });
    }
    return { status: 207, value: { successes, failures } };
  },
);

export const V3_RECORD_ROUTES: readonly Endpoint[] = [produceRecords, produceBatch];
