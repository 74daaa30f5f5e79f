import { errorName } from "#lib/protocol/error-code.ts";
import { FETCHED_BYTES, PRODUCE_REFUSALS, PRODUCED_BYTES, PRODUCED_RECORDS } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import type { AppendAnswer, Appender, Fetcher, PartitionAppend } from "./log-api.ts";

// What goes through the log, counted once for all doors.

/** The appender itself where nobody counts. */
export function meteredAppender(appender: Appender, telemetry: Telemetry | undefined): Appender {
  if (telemetry === undefined) return appender;
  return {
    async append(appends, options) {
      const answers = await appender.append(appends, options);
      countAppends(appends, answers, telemetry);
      return answers;
    },
    get pendingBytes() {
      return appender.pendingBytes;
    },
    whenBelowLimit: () => appender.whenBelowLimit(),
    drain: () => appender.drain(),
  };
}

function countAppends(
  appends: readonly PartitionAppend[],
  answers: readonly AppendAnswer[],
  telemetry: Telemetry,
): void {
  let records = 0;
  let bytes = 0;
  for (const [at, answer] of answers.entries()) {
    if (answer.kind === "refused") {
      telemetry.count(PRODUCE_REFUSALS, 1, { error: errorName(answer.error) });
    } else if (answer.kind === "appended") {
      const append = appends[at];
      records += append?.header.recordCount ?? 0;
      bytes += append?.bytes.byteLength ?? 0;
    }
  }
  if (records === 0) return;
  telemetry.count(PRODUCED_RECORDS, records);
  telemetry.count(PRODUCED_BYTES, bytes);
}

export function meteredFetcher(fetcher: Fetcher, telemetry: Telemetry | undefined): Fetcher {
  if (telemetry === undefined) return fetcher;
  return {
    async fetch(partitions, options) {
      const fetched = await fetcher.fetch(partitions, options);
      const bytes = fetched.reduce((sum, { recordsByteLength }) => sum + recordsByteLength, 0);
      if (bytes > 0) telemetry.count(FETCHED_BYTES, bytes);
      return fetched;
    },
  };
}
