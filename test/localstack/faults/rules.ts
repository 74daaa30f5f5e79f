import { z } from "zod";

// What the fault proxy does to a request. The same objects are given in a test and as JSON over HTTP.

const milliseconds = z.number().nonnegative();

const common = {
  /** A regular expression over `METHOD /path x-amz-target`; without it every request matches. */
  match: z.string().refine(isRegularExpression, "is no regular expression").default(""),
  /** 0 to 1. */
  probability: z.number().min(0).max(1).default(1),
  /** How often at most; without a limit if absent. */
  times: z.int().positive().optional(),
  /** Before anything else happens: this long, or anything from the first to the second. Goes with every fault. */
  delayMs: z.union([milliseconds, z.tuple([milliseconds, milliseconds])]).default(0),
};

const faultRule = z.discriminatedUnion("fault", [
  /** Only the delay. */
  z.strictObject({ ...common, fault: z.literal("delay") }),
  /** The proxy answers in the server's place with an error of S3's or DynamoDB's form. Nothing has happened. */
  z.strictObject({
    ...common,
    fault: z.literal("refuse"),
    code: z.string().min(1),
    status: z.int().min(300).max(599).optional(),
  }),
  /** The connection is cut before the server hears of the request. */
  z.strictObject({ ...common, fault: z.literal("lose-request") }),
  /** The server carries the request out, then the connection is cut without a byte of the answer. */
  z.strictObject({ ...common, fault: z.literal("lose-answer") }),
  /** The connection is cut at once, and the server carries the request out that much later. */
  z.strictObject({ ...common, fault: z.literal("write-late"), afterMs: milliseconds }),
  /** The answer begins, and the connection is cut after that many bytes of its body. */
  z.strictObject({ ...common, fault: z.literal("cut-answer"), afterBytes: z.int().nonnegative() }),
  /** Neither passed on nor answered: the connection stays open until the client gives up. */
  z.strictObject({ ...common, fault: z.literal("hang") }),
]);

export type FaultRule = z.input<typeof faultRule>;
type ParsedRule = z.output<typeof faultRule>;

/** Rules as they come over HTTP. Throws an error that names what is wrong. */
export function parseRules(json: string): readonly FaultRule[] {
  const result = z.array(faultRule).safeParse(JSON.parse(json));
  if (!result.success) throw new Error(z.prettifyError(result.error));
  return result.data;
}

/** A rule at work: how often it has decided over a request. */
export class ArmedRule {
  readonly rule: ParsedRule;
  hits = 0;
  readonly #pattern: RegExp;

  constructor(rule: FaultRule) {
    this.rule = faultRule.parse(rule);
    this.#pattern = new RegExp(this.rule.match);
  }

  /** Whether this rule decides over the request; then the hit is counted. `draw` answers numbers in [0, 1). */
  takes(request: string, draw: () => number): boolean {
    const { times, probability } = this.rule;
    if (times !== undefined && this.hits >= times) return false;
    if (!this.#pattern.test(request)) return false;
    // A certain rule draws nothing, so that it does not shift the chances of the others.
    if (probability < 1 && draw() >= probability) return false;
    this.hits += 1;
    return true;
  }

  delayMs(draw: () => number): number {
    const { delayMs } = this.rule;
    if (typeof delayMs === "number") return delayMs;
    const [least, most] = delayMs;
    return least + (most - least) * draw();
  }

  toJSON(): FaultRule & { readonly hits: number } {
    return { ...this.rule, hits: this.hits };
  }
}

export interface Refusal {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  SlowDown: 503,
  ServiceUnavailable: 503,
  InternalError: 500,
  InternalServerError: 500,
  OperationAborted: 409,
  ConditionalRequestConflict: 409,
  PreconditionFailed: 412,
  AccessDenied: 403,
  ExpiredToken: 400,
  RequestTimeTooSkewed: 403,
  NoSuchBucket: 404,
  NoSuchKey: 404,
};

/** An error in the form of the service that was asked: JSON where the request names a target, as DynamoDB's do, else S3's XML. */
export function refusal(code: string, options: { isJson: boolean; status: number | undefined }): Refusal {
  const message = "injected by the fault proxy";
  const status = options.status ?? STATUS_BY_CODE[code] ?? 400;
  if (options.isJson) {
    const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${code}`, message });
    return { status, contentType: "application/x-amz-json-1.0", body };
  }
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status, contentType: "application/xml", body };
}

function isRegularExpression(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
