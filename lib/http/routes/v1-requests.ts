import { z } from "zod";
import { CLUSTER, requireAccess } from "../access.ts";
import { endpoint } from "../endpoint.ts";

// What this process has asked of services that charge by the request; `millrace cost` prices it.

const line = z.object({
  kind: z.string().describe("Service and operation, such as s3:PutObject"),
  target: z.string().describe("Bucket or table"),
  topic: z.string().describe("Empty unless the request was for one topic"),
  requests: z.int(),
  failures: z.int(),
  bytes_sent: z.int(),
  bytes_received: z.int(),
  units: z.number().describe("DynamoDB's request units"),
});

const showRequests = endpoint(
  {
    method: "get",
    path: "/v1/requests",
    area: "v1",
    tag: "requests (v1)",
    operationId: "showRequests",
    summary: "Show what this process has asked of S3 and DynamoDB",
    description: "Since it started. Behind a load balancer, or in functions, the next call may meet another process.",
    answers: {
      200: {
        description: "Requests by kind and target",
        schema: z.object({ elapsed_ms: z.number(), lines: z.array(line) }),
        example: {
          elapsed_ms: 60_000,
          lines: [
            {
              kind: "s3:PutObject",
              target: "millrace-store-0",
              topic: "",
              requests: 240,
              failures: 0,
              bytes_sent: 251_658_240,
              bytes_received: 0,
              units: 0,
            },
          ],
        },
      },
    },
  },
  ({ principal, runtime }) => {
    requireAccess(principal, "alter", CLUSTER);
    const lines = runtime.ledger?.snapshot() ?? [];
    return {
      value: {
        elapsed_ms: Math.round(runtime.broker.clock.monotonicMs() - runtime.startedAtMs),
        lines: lines.map(({ kind, target, topic, requests, failures, bytesSent, bytesReceived, units }) => ({
          kind,
          target,
          topic,
          requests,
          failures,
          bytes_sent: bytesSent,
          bytes_received: bytesReceived,
          units,
        })),
      },
    };
  },
);

export const V1_REQUEST_ROUTES = [showRequests];
