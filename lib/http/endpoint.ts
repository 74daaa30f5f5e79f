import type { z } from "zod";
import type { HttpPrincipal } from "./access.ts";
import type { HttpArea } from "./http-error.ts";
import type { HttpRuntime } from "./http-services.ts";

// An endpoint is declared once: its schemas check requests, and the OpenAPI document is made from them. The handler gets
// what is already checked.

export type Content = Readonly<Record<string, z.ZodType>>;

export interface DocumentedAnswer {
  readonly description: string;
  /** Left out for an answer without a body. */
  readonly schema?: z.ZodType;
  readonly example?: unknown;
  /** Media types other than those that the endpoint answers in, with what they hold. */
  readonly otherTypes?: Content;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface EndpointSpec<
  P extends z.ZodType = z.ZodType,
  Q extends z.ZodType = z.ZodType,
  H extends z.ZodType = z.ZodType,
  B extends Content = Content,
> {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** As in OpenAPI: `/topics/{topic}`. */
  readonly path: string;
  readonly area: HttpArea;
  readonly tag: string;
  /** The name of the operation in clients that are generated from the document. */
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  /** Open routes answer without a key. */
  readonly isOpen?: true;
  /** Answers callers from any address, whatever the lists of addresses say. */
  readonly takesAnyAddress?: true;
  /** What does not fit is 404: there is nothing of that name. */
  readonly params?: P;
  /** What does not fit is 400. */
  readonly query?: Q;
  /** Names in lower case; what does not fit is 400. */
  readonly headers?: H;
  /**
   * By media type, the preferred one first. JSON that does not fit is 422. Types other than JSON get their bytes as a
   * Uint8Array. An empty body is taken if the first schema takes undefined.
   */
  readonly body?: B;
  /** In the place of `body`: its type is checked, and the handler reads it from the request, bit by bit if it likes. */
  readonly streamedBody?: Content;
  /** An example for the document, by media type. */
  readonly bodyExamples?: Readonly<Record<string, unknown>>;
  /** Numbers in a JSON body keep every digit; parsing takes longer. */
  readonly keepsNumbers?: true;
  /** Media types of the answer, the preferred one first; those of the area where left out. */
  readonly answerTypes?: readonly string[];
  readonly answers: Readonly<Record<number, DocumentedAnswer>>;
  /** Refusals that clients should know of, beside those that every endpoint has: status to text. */
  readonly refusals?: Readonly<Record<number, string>>;
}

/** One request on its way through its endpoint. */
export interface Call<P = unknown, Q = unknown, H = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly headers: H;
  readonly body: B;
  /** Of the body: one of those declared, or undefined where there is none. */
  readonly contentType: string | undefined;
  /** What the answer is to be: one of those declared. */
  readonly answerType: string;
  readonly request: Request;
  /** What came as the body of a GET. */
  readonly getBody: ReadableStream<Uint8Array> | undefined;
  readonly principal: HttpPrincipal;
  readonly runtime: HttpRuntime;
  /** Aborts when the client hangs up or the request's time is over. */
  readonly signal: AbortSignal;
}

/** What becomes the answer's body in the form that was agreed on. */
export interface Answer {
  /** Default 200. */
  readonly status?: number;
  /** Left out for an empty answer, 204 unless said otherwise. */
  readonly value?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Endpoint {
  readonly spec: EndpointSpec;
  serve(call: Call): Promise<Answer | Response> | Answer | Response;
}

/** Checked values in the place of raw ones. */
type Checked<T extends z.ZodType | undefined> = T extends z.ZodType ? z.output<T> : undefined;

/** Declares an endpoint. The handler throws `HttpError` to refuse. */
export function endpoint<
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  H extends z.ZodType = z.ZodUndefined,
  B extends Content = Record<never, z.ZodUndefined>,
>(
  spec: EndpointSpec<P, Q, H, B>,
  serve: (
    call: Call<Checked<P>, Checked<Q>, Checked<H>, Checked<B[keyof B]>>,
  ) => Promise<Answer | Response> | Answer | Response,
): Endpoint {
  return { spec, serve };
}
