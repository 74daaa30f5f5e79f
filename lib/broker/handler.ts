import type { Api } from "#lib/protocol/apis.ts";
import { decode } from "#lib/protocol/codec.ts";
import { encodeResponseFrame } from "#lib/protocol/response-frame.ts";
import type { Fields, Infer, InferInput } from "#lib/protocol/schema.ts";
import { AssertionFailedError } from "#lib/util/assert.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { RequestContext } from "./request-context.ts";

/** A whole response frame as chunks; `none` if the request has none (acks=0); `close` to end the connection instead. */
export type ResponseFrame = readonly Uint8Array[] | "none" | "close";

/** A request that is under way. Wrapped in an object, because a promise of a promise would wait for both. */
export interface AdmittedRequest {
  readonly response: Promise<ResponseFrame>;
}

/** One API: what the router needs to serve it and to list it in ApiVersions. */
export interface ApiHandler {
  readonly api: Api;
  /**
   * Whether a request may start while earlier ones of its connection are not answered, provided that they overlap too.
   * All others see the effects of everything before them, as they do on Kafka, which serves a connection one by one.
   */
  readonly overlaps: boolean;
  /** Decodes, then runs up to the point from which order no longer matters. Throws `ProtocolError` for a bad body. */
  admit(body: Uint8Array, context: RequestContext, services: BrokerServices): Promise<AdmittedRequest>;
}

/** Declares an API that is served one request at a time. */
export function handler<Q extends Fields, R extends Fields>(
  api: Api<Q, R>,
  serve: (
    request: Infer<Q>,
    context: RequestContext,
    services: BrokerServices,
  ) => Promise<InferInput<R>> | InferInput<R>,
): ApiHandler {
  return {
    api,
    overlaps: false,
    async admit(body, context, services) {
      const answer = await serve(decode(api.request, context.apiVersion, body), context, services);
      return { response: Promise.resolve(encodeAnswer(api, context, answer)) };
    },
  };
}

/** What an overlapping API returns once order is settled. */
export interface Admission<R> {
  readonly answer: Promise<R | "none" | "close">;
}

/** Declares an API whose requests overlap: `admit` settles the order, its answer comes when it comes. */
export function overlappingHandler<Q extends Fields, R extends Fields>(
  api: Api<Q, R>,
  admit: (
    request: Infer<Q>,
    context: RequestContext,
    services: BrokerServices,
  ) => Promise<Admission<InferInput<R>>> | Admission<InferInput<R>>,
): ApiHandler {
  return {
    api,
    overlaps: true,
    async admit(body, context, services) {
      const { answer } = await admit(decode(api.request, context.apiVersion, body), context, services);
      return {
        response: answer.then((value) =>
          value === "none" || value === "close" ? value : encodeAnswer(api, context, value),
        ),
      };
    },
  };
}

/** A body that the version cannot say is a mistake of the handler, not of the client. */
function encodeAnswer<Q extends Fields, R extends Fields>(
  api: Api<Q, R>,
  context: RequestContext,
  answer: InferInput<R>,
): readonly Uint8Array[] {
  try {
    return encodeResponseFrame(api, context, answer);
  } catch (cause) {
    throw new AssertionFailedError(`cannot encode the answer to ${api.name} v${context.apiVersion}`, { cause });
  }
}
