import { z } from "zod";
import { ApiRouter } from "#lib/broker/api-router.ts";
import { BROKER_HANDLERS } from "#lib/broker/handlers.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { capFetch } from "../cap-fetch.ts";
import { endpoint } from "../endpoint.ts";
import { requireFrameAccess } from "../frame-rights.ts";
import { HttpError } from "../http-error.ts";
import { BINARY_TYPE } from "../media-types.ts";

// Kafka's protocol in HTTP, for our own command line: whatever it can ask a broker over TCP, it can ask here. Body and
// answer are single frames as they are on TCP:
//
//     size int32 | header | body

const SIZE_BYTES = 4;

const frame = z.custom<Uint8Array>((value) => value instanceof Uint8Array);

const relayFrame = endpoint(
  {
    method: "post",
    path: "/v1/kafka",
    area: "v1",
    tag: "kafka (v1)",
    operationId: "relayKafkaRequest",
    summary: "Send one request of Kafka's protocol",
    description:
      "A frame as on TCP, its size in front; so is the answer. The key needs what the request asks for: read and write " +
      "of its topics, its group, or admin for everything else. Fetch sessions need admin. A Fetch is answered with as much " +
      "as other answers have, whatever its max_bytes.",
    body: { [BINARY_TYPE]: frame },
    answerTypes: [BINARY_TYPE],
    answers: {
      200: { description: "The response's frame", otherTypes: { [BINARY_TYPE]: frame } },
      204: { description: "The request has no answer: a Produce with acks=0" },
    },
    refusals: { 400: "The frame cannot be read, or asks for what is not served" },
  },
  async ({ body, principal, runtime, request, signal }) => {
    const bytes = unframed(body);
    const { hostname, port, protocol } = new URL(request.url);
    const advertisedPort = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
    const listener = { name: "HTTPS", advertisedHost: hostname, advertisedPort, isOnlyDoor: true };
    try {
      await requireFrameAccess(principal, bytes, runtime.broker.cluster, signal);
      capFetch(bytes, runtime.settings.binaryBytesMax);
      const routed = new ApiRouter(BROKER_HANDLERS, runtime.broker).route(bytes, {
        listener,
        clientAddress: principal.name,
        signal,
      });
      try {
        const answer = await (await routed.admit()).response;
        if (answer === "none") return {};
        if (answer === "close") throw new ProtocolError("the broker would close the connection");
        return new Response(joinChunks(answer), { headers: { "content-type": BINARY_TYPE } });
      } finally {
        routed.borrowed.release();
      }
    } catch (error) {
      if (error instanceof ProtocolError) throw new HttpError({ status: 400, message: error.message, cause: error });
      throw error;
    }
  },
);

export const V1_KAFKA_ROUTES = [relayFrame];

function unframed(body: Uint8Array): Uint8Array {
  const size = body.byteLength < SIZE_BYTES ? -1 : new DataView(body.buffer, body.byteOffset).getInt32(0);
  if (size === body.byteLength - SIZE_BYTES) return body.subarray(SIZE_BYTES);
  throw new HttpError({
    status: 400,
    message: "The body is one frame of Kafka's protocol, its size (int32) in front.",
  });
}
