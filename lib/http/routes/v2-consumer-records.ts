import { z } from "zod";
import type { InstanceConfig } from "#lib/coordinator/consumer-instance.ts";
import { FETCHED_RECORDS } from "#lib/runtime/metrics.ts";
import { HTTP_BINARY_BYTES_MAX, HTTP_FETCH_BYTES } from "#lib/util/limits.ts";
import { findInstanceOf, INSTANCE_REFUSALS, illegalState, instanceParams } from "../consumers/find-instance.ts";
import { InstancePoll } from "../consumers/poll-instance.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { HttpError } from "../http-error.ts";
import { negotiate, V2_ANSWER_TYPES, V2_BINARY_TYPE, V2_JSON_TYPE } from "../media-types.ts";
import { wholeNumber } from "../parameters.ts";

// Polling a consumer instance.

const EMBEDDED_TYPES: Readonly<Record<InstanceConfig["format"], string>> = {
  binary: V2_BINARY_TYPE,
  json: V2_JSON_TYPE,
};

/** The same GET answers with other records each time, which no cache on its way must know better. */
const KEPT_BY_NOBODY = { "cache-control": "no-store" };

/** -1 and what is more than there may be stand for as usual and for the most that there is. */
const anyNumber = { min: -1, max: Number.MAX_SAFE_INTEGER };

const query = z.object({
  timeout: wholeNumber(anyNumber, {
    description:
      "How long to wait for records, in milliseconds; the instance's `consumer.request.timeout.ms` unless said.",
    example: 0,
  }).optional(),
  max_bytes: wholeNumber(anyNumber, {
    description: `Of record batches, ${HTTP_FETCH_BYTES} unless said. One batch comes even if it is larger.`,
  }).optional(),
});

const ConsumedRecord = z
  .object({
    topic: z.string(),
    key: z.unknown(),
    value: z.unknown(),
    partition: z.int(),
    offset: z.int(),
  })
  .meta({ id: "V2ConsumedRecord" });

const pollRecords = endpoint(
  {
    method: "get",
    path: "/consumers/{group}/instances/{instance}/records",
    area: "v2",
    tag: "consumers",
    operationId: "pollRecords",
    summary: "Read on",
    description:
      "Records from where the instance is, which then is behind them. No two polls get the same ones, whichever process " +
      "answers. With `auto.commit.enable` a poll commits what those before it have delivered.",
    params: instanceParams,
    query,
    answerTypes: [V2_BINARY_TYPE, V2_JSON_TYPE, ...V2_ANSWER_TYPES],
    answers: {
      200: {
        description: "In the order of their offsets for each partition; none if none have come within the time.",
        schema: z.array(ConsumedRecord),
        example: [{ topic: "orders", key: "YWxpY2U=", value: "Ym9vaw==", partition: 0, offset: 12 }],
      },
    },
    refusals: {
      ...INSTANCE_REFUSALS,
      406: "40601: Accept does not fit the instance's format.",
      409: "40903: it reads nothing; subscribe or assign first. 40904: others use it at the same time.",
      413: "41303: a record is larger than an answer may be.",
      416: "41601: there is no offset to go on from, and `auto.offset.reset` is `none`.",
      422: "42210: a batch that is damaged; 42215: one too large to be opened here; 42216: a record that is not JSON.",
    },
  },
  async (call) => {
    const { query: asked, runtime, request } = call;
    // Frameworks answer a HEAD by a GET without its body: the records would be gone.
    if (request.method === "HEAD") {
      throw new HttpError({ status: 405, message: "A poll takes records: GET it.", headers: { allow: "GET" } });
    }
    const view = await findInstanceOf(call);
    const type = answerTypeOf(request, view.config);
    if (view.subscription.kind === "none") {
      throw illegalState("Consumer is not subscribed to any topics or assigned any partitions");
    }
    const { timeout = -1, max_bytes: bytes = -1 } = asked;
    const waitMs = Math.min(timeout < 0 ? view.config.requestTimeoutMs : timeout, runtime.settings.waitMsMax);
    const bytesMax = bytes <= 0 ? HTTP_FETCH_BYTES : Math.min(bytes, HTTP_BINARY_BYTES_MAX);
    const texts = await new InstancePoll(view, { waitMs, bytesMax }, call).run();
    runtime.telemetry.count(FETCHED_RECORDS, texts.length);
    return new Response(`[${texts.join(",")}]`, { headers: { "content-type": type, ...KEPT_BY_NOBODY } });
  },
);

export const V2_CONSUMER_RECORD_ROUTES: readonly Endpoint[] = [pollRecords];

function answerTypeOf(request: Request, { format }: InstanceConfig): string {
  const embedded = EMBEDDED_TYPES[format];
  const type = negotiate(request.headers.get("accept"), [embedded, ...V2_ANSWER_TYPES]);
  if (type !== undefined) return type;
  const message = `The instance was made with format ${format}, whose type is ${embedded}; Accept names another one.`;
  throw new HttpError({ status: 406, errorCode: 40601, message });
}
