import type { z } from "zod";
import { parseJsonBody, readBody } from "./body.ts";
import type { Endpoint, EndpointSpec } from "./endpoint.ts";
import { parseFaithfully } from "./faithful-json.ts";
import { HttpError } from "./http-error.ts";
import type { HttpRuntime } from "./http-services.ts";
import { JSON_TYPE, mediaTypeOf, negotiate, V2_ANSWER_TYPES } from "./media-types.ts";

/** What the router found in a request. */
export interface RawRequest {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

export interface CheckedParts {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly answerType: string;
}

/** To be disposed of when the request is done: until then what was made of the body takes memory. */
export interface CheckedBody extends Disposable {
  readonly body: unknown;
  readonly contentType: string | undefined;
}

export function answerTypesOf(spec: EndpointSpec): readonly string[] {
  return spec.answerTypes ?? (spec.area === "v2" ? V2_ANSWER_TYPES : [JSON_TYPE]);
}

/** Everything but the body. Fails with 406, 404 for a path and 400 for parameters and headers. */
export function checkParts({ spec }: Endpoint, { request, params, query }: RawRequest): CheckedParts {
  const offered = answerTypesOf(spec);
  const answerType = negotiate(request.headers.get("accept"), offered);
  if (answerType === undefined) {
    throw new HttpError({ status: 406, message: `This route answers in ${offered.join(", ")}; Accept names none.` });
  }
  return {
    params: checked(spec.params, params, { status: 404, what: "path" }),
    query: checked(spec.query, query, { status: 400, what: "query" }),
    headers: checked(spec.headers, Object.fromEntries(request.headers), { status: 400, what: "header" }),
    answerType,
  };
}

/** Reads and checks the body. Fails with 415, 413, 400 for what is no JSON and 422 for other JSON than what is expected. */
export async function checkBody(
  { spec }: Endpoint,
  request: Request,
  { bodies, settings }: Pick<HttpRuntime, "bodies" | "settings">,
  signal: AbortSignal,
): Promise<CheckedBody> {
  const content = spec.streamedBody ?? spec.body;
  const [preferred] = Object.keys(content ?? {});
  if (content === undefined || preferred === undefined) return unread(undefined);
  const header = request.headers.get("content-type");
  const isAbsent = header === null && isEmpty(request);
  const contentType = isAbsent ? preferred : mediaTypeOf(header);
  const schema = contentType === undefined ? undefined : content[contentType];
  if (contentType === undefined || schema === undefined) {
    const given = header === null ? "none" : header;
    const message = `Content-Type is ${given}; this route takes ${Object.keys(content).join(", ")}.`;
    throw new HttpError({ status: 415, message, headers: { accept: Object.keys(content).join(", ") } });
  }
  if (spec.streamedBody !== undefined) return unread(contentType);
  const isJson = /[/+]json$/.test(contentType);
  const bytesMax = isJson ? settings.bodyBytesMax : settings.binaryBytesMax;
  using held = new DisposableStack();
  const { bytes } = held.use(await readBody(request, bytesMax, bodies, signal));
  const parse = spec.keepsNumbers === true ? parseFaithfully : JSON.parse;
  const value = isJson ? (bytes.byteLength === 0 ? undefined : parseJsonBody(bytes, parse)) : bytes;
  const body = checked(schema, value, { status: 422, what: "body" });
  const kept = held.move();
  return { body, contentType, [Symbol.dispose]: () => kept.dispose() };
}

function unread(contentType: string | undefined): CheckedBody {
  return { body: undefined, contentType, [Symbol.dispose]() {} };
}

function isEmpty(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length === "0" || (length === null && !request.headers.has("transfer-encoding"));
}

function checked(
  schema: z.ZodType | undefined,
  value: unknown,
  refusal: { readonly status: number; readonly what: string },
): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { status, what } = refusal;
  const { issues } = result.error;
  throw new HttpError({ status, errorCode: codeOf(issues) ?? status, message: describeIssues(issues, what) });
}

const ISSUES_SHOWN_MAX = 3;
/** Of one issue: some repeat the names of all fields that nobody knows, which may be the whole body. */
const ISSUE_LENGTH_MAX = 500;

/** What is wrong with `what`, for people. */
export function describeIssues(issues: readonly z.core.$ZodIssue[], what: string): string {
  const shown = issues.slice(0, ISSUES_SHOWN_MAX);
  return shown.map((issue) => describeIssue(issue, what)).join("; ");
}

/** `records[3].value: expected base64`. */
function describeIssue({ path, message }: z.core.$ZodIssue, what: string): string {
  const where = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  const text = `${where === "" ? what : `${what} ${where.replace(/^\./, "")}`}: ${message}`;
  return text.length > ISSUE_LENGTH_MAX ? `${text.slice(0, ISSUE_LENGTH_MAX)}…` : text;
}

/** A check may bring a number of its own. */
function codeOf(issues: readonly z.core.$ZodIssue[]): number | undefined {
  for (const issue of issues) {
    const code: unknown = issue.code === "custom" ? issue.params?.["errorCode"] : undefined;
    if (typeof code === "number") return code;
  }
  return undefined;
}
