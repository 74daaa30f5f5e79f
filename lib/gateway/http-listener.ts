import { IncomingMessage, type RequestListener } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { createHttpApp } from "#lib/http/app.ts";
import { DEFAULT_HTTP_SETTINGS, type HttpServices } from "#lib/http/http-services.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { describeError } from "#lib/runtime/logger.ts";

/** The HTTP app as Node's server calls it. */
export function newHttpListener({
  corsOrigins,
  ...services
}: Omit<HttpServices, "bodyOfGet" | "clientAddress" | "settings"> & {
  readonly corsOrigins: readonly string[];
}): RequestListener {
  const settings = { ...DEFAULT_HTTP_SETTINGS, corsOrigins };
  const app = createHttpApp({ ...services, settings, clientAddress, bodyOfGet }, { first: ROUTES });
  return getRequestListener(app.fetch, {
    // The process is not ours alone in tests: its Request and Response stay what they are.
    overrideGlobalObjects: false,
    // What is no request, such as one without a Host header.
    errorHandler: (error) => refusal(400, describeError(error)),
  });
}

/** What `@hono/node-server` passes beside a request. */
function clientAddress(environment: unknown): string | undefined {
  return incomingOf(environment)?.socket.remoteAddress;
}

function bodyOfGet(environment: unknown): ReadableStream<Uint8Array> | undefined {
  const incoming = incomingOf(environment);
  const { "content-length": length = "0", "transfer-encoding": encoding } = incoming?.headers ?? {};
  if (incoming === undefined || (length === "0" && encoding === undefined)) return undefined;
  return ReadableStream.from<Uint8Array>(incoming);
}

function incomingOf(environment: unknown): IncomingMessage | undefined {
  if (typeof environment !== "object" || environment === null || !("incoming" in environment)) return undefined;
  return environment.incoming instanceof IncomingMessage ? environment.incoming : undefined;
}

function refusal(status: number, message: string): Response {
  const body = JSON.stringify({ error_code: status, message });
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
