import type { Borrowed } from "#lib/util/borrowed.ts";
import type { TimestampMs } from "#lib/util/branded.ts";

/** The door through which a request came, and where clients are told to find it. */
export interface ListenerInfo {
  /** As in Kafka's `listeners`, such as `PLAINTEXT` or `INTERNAL`. */
  readonly name: string;
  readonly advertisedHost: string;
  readonly advertisedPort: number;
  /** Its clients reach no other broker, whatever they are told of leaders: this one serves them everything. */
  readonly isOnlyDoor?: boolean;
}

/** What a handler may know of a request beside its body. */
export interface RequestContext {
  readonly apiVersion: number;
  /** False only for ApiVersions, which answers unknown versions too. */
  readonly isVersionSupported: boolean;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** `host:port` of the client, for logs. */
  readonly clientAddress: string;
  readonly listener: ListenerInfo;
  readonly receivedAtMs: TimestampMs;
  /** Aborts when the connection closes or the broker stops without waiting. */
  readonly signal: AbortSignal;
  /** What the answer borrows: released when it has been sent. */
  readonly borrowed: Borrowed;
}
