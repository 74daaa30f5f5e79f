/** A request that a service charges for, by service and operation. */
export type RequestKind = `${"s3" | "dynamodb" | "lambda"}:${string}`;

export interface RequestBytes {
  /** Of the request's body. */
  readonly sent: number;
  /** Of the answer's body, as far as it was read. */
  readonly received: number;
}

export interface RequestDetails {
  /** Bucket, table or function. */
  readonly target?: string;
  /**
   * DynamoDB's request units, of reads or of writes by the kind; told by the service where it tells them. Of a function's
   * calls GB-seconds: their memory by the time that is charged.
   */
  readonly units?: number;
  /** The topic that the request was for, where it was for one. */
  readonly topic?: string;
  /** No answer, or a refusal; a condition that does not hold is an answer. */
  readonly hasFailed?: boolean;
}

/** Counts what a process asks of services that charge by the request: every attempt, failed ones too. */
export interface Ledger {
  count(kind: RequestKind, bytes: RequestBytes, details?: RequestDetails): void;
}

export const NO_LEDGER: Ledger = { count() {} };

/** What one kind of request to one target, for one topic, came to. */
export interface LedgerLine {
  readonly kind: RequestKind;
  readonly target: string;
  readonly topic: string;
  readonly requests: number;
  /** How many of them failed. */
  readonly failures: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly units: number;
}

/** Counts in memory; a few dozen lines, for targets are few and most requests are for no topic alone. */
export class RequestLedger implements Ledger {
  readonly #lines = new Map<string, LedgerLine>();

  count(kind: RequestKind, bytes: RequestBytes, details: RequestDetails = {}): void {
    const { target = "", topic = "", units = 0, hasFailed = false } = details;
    const id = `${kind}\0${target}\0${topic}`;
    const line = this.#lines.get(id);
    this.#lines.set(id, {
      kind,
      target,
      topic,
      requests: (line?.requests ?? 0) + 1,
      failures: (line?.failures ?? 0) + (hasFailed ? 1 : 0),
      bytesSent: (line?.bytesSent ?? 0) + bytes.sent,
      bytesReceived: (line?.bytesReceived ?? 0) + bytes.received,
      units: (line?.units ?? 0) + units,
    });
  }

  /** What was counted so far, by kind, target and topic in this order. */
  snapshot(): readonly LedgerLine[] {
    return [...this.#lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line);
  }
}
