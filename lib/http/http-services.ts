import type { BrokerServices } from "#lib/broker/broker-services.ts";
import type { RequestLedger } from "#lib/runtime/ledger.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import {
  HTTP_BINARY_BYTES_MAX,
  HTTP_BODY_BYTES_MAX,
  HTTP_REQUEST_MS_MAX,
  HTTP_WAIT_MS_MAX,
  INSTANCE_TIMEOUT_MS,
} from "#lib/util/limits.ts";
import type { HttpAuthenticator } from "./access.ts";
import type { BodyGrants } from "./body-budget.ts";
import type { Endpoint } from "./endpoint.ts";

export interface HttpSettings {
  /** Origins whose pages may call from a browser, such as `https://example.com`; `*` for all. None: no CORS headers. */
  readonly corsOrigins: readonly string[];
  /** The largest body in JSON, and about the largest answer. */
  readonly bodyBytesMax: number;
  /** The largest body of record batches in Kafka's form, and about the largest such answer. */
  readonly binaryBytesMax: number;
  /** How long a request may take, its waiting for records included; event streams are no such requests. */
  readonly requestMsMax: number;
  /** The longest wait for records that a client may ask for. */
  readonly waitMsMax: number;
  /** How long consumer instances stay without a call, for those that are made from now on. */
  readonly instanceTimeoutMs: number;
  /**
   * After this time an event stream ends and the client comes back. Undefined: it may stay. Functions set it: their
   * answers are collected before they are sent.
   */
  readonly streamMsMax: number | undefined;
}

export const DEFAULT_HTTP_SETTINGS: HttpSettings = {
  corsOrigins: [],
  bodyBytesMax: HTTP_BODY_BYTES_MAX,
  binaryBytesMax: HTTP_BINARY_BYTES_MAX,
  requestMsMax: HTTP_REQUEST_MS_MAX,
  waitMsMax: HTTP_WAIT_MS_MAX,
  instanceTimeoutMs: INSTANCE_TIMEOUT_MS,
  streamMsMax: undefined,
};

/** What the HTTP door works with. One set for a process, whatever stands in front of it. */
export interface HttpServices {
  readonly broker: BrokerServices;
  readonly auth: HttpAuthenticator;
  readonly telemetry: Telemetry;
  readonly settings: HttpSettings;
  /** Aborts when the process begins to stop: waits and streams end early, `/healthz` says so. */
  readonly stopping: AbortSignal;
  /** What `/metrics` shows, as Prometheus' text; undefined where figures go another way. */
  readonly metricsText?: (() => Promise<string>) | undefined;
  /** What the process asks of services that charge by the request; undefined where it asks none. */
  readonly ledger?: RequestLedger | undefined;
  /** The client's address as the front knows it, from what it passes beside the request. */
  readonly clientAddress?: ((environment: unknown) => string | undefined) | undefined;
  /** The body of a GET, which the platform's own requests have no place for; undefined where there is none. */
  readonly bodyOfGet?: ((environment: unknown) => ReadableStream<Uint8Array> | undefined) | undefined;
}

/** The services with what the app keeps for itself. */
export interface HttpRuntime extends HttpServices {
  /** The routes of the app, for the OpenAPI document. */
  readonly endpoints: readonly Endpoint[];
  /** Bodies that are being read and parsed, all requests together. */
  readonly bodies: BodyGrants;
  /** Open ones: of events, and of records that are being sent. */
  readonly streams: { count: number; producing: number };
  /** By the monotonic clock. */
  readonly startedAtMs: number;
}
