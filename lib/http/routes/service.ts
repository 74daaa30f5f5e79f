import { z } from "zod";
import { CLUSTER, requireAccess } from "../access.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { HttpError } from "../http-error.ts";

// What operators and tools ask for.

const PROMETHEUS_TYPE = "text/plain";

const health = endpoint(
  {
    method: "get",
    path: "/healthz",
    area: "service",
    tag: "service",
    operationId: "health",
    summary: "Whether this process takes requests",
    isOpen: true,
    takesAnyAddress: true,
    answers: {
      200: {
        description: "It does.",
        schema: z.object({ status: z.literal("ok") }),
        example: { status: "ok" },
      },
    },
    refusals: { 503: "It is stopping: send requests elsewhere." },
  },
  ({ runtime }) => {
    if (!runtime.stopping.aborted) return { value: { status: "ok" } };
    throw new HttpError({ status: 503, message: "This process is stopping." });
  },
);

const metrics = endpoint(
  {
    method: "get",
    path: "/metrics",
    area: "service",
    tag: "service",
    operationId: "metrics",
    summary: "Figures of this process for Prometheus",
    answerTypes: [PROMETHEUS_TYPE],
    answers: {
      200: { description: "Prometheus' text format 0.0.4.", schema: z.string(), example: "millrace_http_streams 0\n" },
    },
    refusals: { 404: "This process has its figures elsewhere (functions: CloudWatch)." },
  },
  async ({ runtime, principal }) => {
    requireAccess(principal, "describe", CLUSTER);
    const text = await runtime.metricsText?.();
    if (text === undefined) throw new HttpError({ status: 404, message: "This process has its figures elsewhere." });
    return new Response(text, { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } });
  },
);

const openApi = endpoint(
  {
    method: "get",
    path: "/openapi.json",
    area: "service",
    tag: "service",
    operationId: "openApi",
    summary: "This document",
    isOpen: true,
    answers: { 200: { description: "OpenAPI 3.1.", schema: z.looseObject({ openapi: z.string() }) } },
  },
  async ({ runtime }) => {
    // Made when somebody asks for it: a function's start need not pay for it.
    const { openApiDocument } = await import("../openapi.ts");
    return { value: openApiDocument(runtime.endpoints) };
  },
);

export const SERVICE_ROUTES: readonly Endpoint[] = [health, metrics, openApi];
