import { decode, encode } from "#lib/protocol/codec.ts";
import type { Fields, Infer, InferInput, Message } from "#lib/protocol/schema.ts";
import type { VersionRange } from "#lib/protocol/versions.ts";
import { defined } from "#lib/util/assert.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { RequestContext } from "./request-context.ts";

/** The encoded body of an answer; `none` if the request has none (acks=0); `close` to end the connection instead. */
export type ResponseBody = readonly Uint8Array[] | "none" | "close";

/** A request that is under way. Wrapped in an object, because a promise of a promise would wait for both. */
export interface AdmittedRequest {
  readonly response: Promise<ResponseBody>;
}

/** One API: what the router needs to serve it and to list it in ApiVersions. */
export interface ApiHandler {
  readonly apiKey: number;
  readonly name: string;
  readonly versions: VersionRange;
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
  request: Message<Q>,
  response: Message<R>,
  serve: (
    request: Infer<Q>,
    context: RequestContext,
    services: BrokerServices,
  ) => Promise<InferInput<R>> | InferInput<R>,
): ApiHandler {
  return {
    ...described(request),
    overlaps: false,
    async admit(body, context, services) {
      const decoded = decode(request, context.apiVersion, body);
      const answer = await serve(decoded, context, services);
      return { response: Promise.resolve(encode(response, context.apiVersion, answer)) };
    },
  };
}

/** What an overlapping API returns once order is settled. */
export interface Admission<R> {
  readonly answer: Promise<R | "none" | "close">;
}

/** Declares an API whose requests overlap: `admit` settles the order, its answer comes when it comes. */
export function overlappingHandler<Q extends Fields, R extends Fields>(
  request: Message<Q>,
  response: Message<R>,
  admit: (
    request: Infer<Q>,
    context: RequestContext,
    services: BrokerServices,
  ) => Promise<Admission<InferInput<R>>> | Admission<InferInput<R>>,
): ApiHandler {
  return {
    ...described(request),
    overlaps: true,
    async admit(body, context, services) {
      const { answer } = await admit(decode(request, context.apiVersion, body), context, services);
      return {
        response: answer.then((value) =>
          value === "none" || value === "close" ? value : encode(response, context.apiVersion, value),
        ),
      };
    },
  };
}

function described(request: Message): Pick<ApiHandler, "apiKey" | "name" | "versions"> {
  const { min, max } = request.validVersions;
  // An unstable version is one that Kafka itself does not offer yet; always a suffix of the range.
  const unstable = request.unstableVersions.min <= request.unstableVersions.max;
  return {
    apiKey: defined(request.apiKey, "api key"),
    name: request.name.replace(/Request$/, ""),
    versions: { min, max: unstable ? request.unstableVersions.min - 1 : max },
  };
}
