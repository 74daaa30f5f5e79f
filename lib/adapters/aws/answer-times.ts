import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { AnswerTimes } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { TimestampMs } from "#lib/util/branded.ts";

/** What the SDK does not hand out of a request and its answer. */
export interface Exchange {
  /** The time that the request's signature names; the SDK corrects it by the service's date (clock skew). */
  readonly signedAtMs: TimestampMs | undefined;
  /** The answer's `Date`, in whole seconds. */
  readonly dateMs: TimestampMs | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

const UNSEEN: Exchange = { signedAtMs: undefined, dateMs: undefined, bytesSent: 0, bytesReceived: 0 };

/** By the input of the command; the answer's half is missing until it is there. */
const exchanges = new WeakMap<object, Exchange>();

/** Lets `exchangeOf` tell of the client's requests. May be called for a client that is observed already. */
export function observe(client: DynamoDBClient): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const sent = headersOf(args.request);
      const request: Exchange = {
        ...UNSEEN,
        signedAtMs: parseSigningDate(sent.get("x-amz-date")),
        bytesSent: numberOf(sent.get("content-length")),
      };
      exchanges.set(args.input, request);
      const result = await next(args);
      const received = headersOf(result.response);
      const date = Date.parse(received.get("date") ?? "");
      exchanges.set(args.input, {
        ...request,
        dateMs: Number.isNaN(date) ? undefined : date,
        bytesReceived: numberOf(received.get("content-length")),
      });
      return result;
    },
    // Low: between the deserializer and the connection, so after signing, and before a refusal becomes an error.
    { name: "millraceExchange", step: "deserialize", priority: "low", override: true },
  );
}

/** What was seen of the last request with this input. */
export function exchangeOf(input: object): Exchange {
  return exchanges.get(input) ?? UNSEEN;
}

/**
 * The service's clock from dates in whole seconds. Each date is a lower bound, and the service's clock goes on as our
 * monotonic one does, so the highest bound so far is nearer the truth than the last date; but it is never taken out of
 * the second that the last date names, so that neither a drift nor a freeze of this process leads it away.
 */
export class ServiceDates {
  readonly #clock: Clock;
  #aheadOfMonotonicMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The times of an exchange; the host's clock stands in for a date that a service does not give. */
  times({ signedAtMs, dateMs }: Exchange): AnswerTimes {
    const hostMs = this.#clock.nowMs();
    return {
      servedAtMs: dateMs === undefined ? hostMs : this.#refine(dateMs),
      signedAtMs: signedAtMs ?? hostMs,
    };
  }

  #refine(dateMs: TimestampMs): TimestampMs {
    const monotonicMs = this.#clock.monotonicMs();
    const bound = Math.max(dateMs, monotonicMs + this.#aheadOfMonotonicMs);
    const servedAtMs = Math.min(bound, dateMs + 999);
    this.#aheadOfMonotonicMs = servedAtMs - monotonicMs;
    return Math.floor(servedAtMs);
  }
}

/** `20261121T181900Z`, as signatures have it. */
export function parseSigningDate(text: string | undefined): TimestampMs | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? "");
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Lower-case names. The SDK's types of requests and responses are `unknown` here. */
function headersOf(message: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (typeof message !== "object" || message === null || !("headers" in message)) return found;
  const { headers } = message;
  if (typeof headers !== "object" || headers === null) return found;
  for (const [name, value] of Object.entries(headers)) found.set(name.toLowerCase(), String(value));
  return found;
}

function numberOf(text: string | undefined): number {
  return Number(text ?? 0) || 0;
}
