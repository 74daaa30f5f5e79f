import { LockFileError } from "#lib/adapters/local/process-lock.ts";
import { JournalFileError } from "#lib/adapters/local/sqlite-journal-protocol.ts";
import { BrokerConfigError } from "#lib/cluster/broker-configs.ts";
import { BrokerIdInUseError } from "#lib/cluster/broker-registration.ts";
import type { StartFailure } from "#lib/config/broker-message.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";
import { ListenError } from "#lib/gateway/listen-error.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { CorruptRecordError, DivergenceError } from "#lib/journal/journal-errors.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";

/** Why a broker cannot start or go on, what to do about it, and whether to try again is of use. */
export function startFailure(error: unknown, settings: ServeSettings): StartFailure {
  return {
    kind: "failed",
    text: `${describeError(error)}${remedyFor(error, settings)}`,
    status: error instanceof BrokerConfigError ? 2 : 1,
    reason: reasonOf(error),
  };
}

function reasonOf(error: unknown): StartFailure["reason"] {
  if (isDamage(error) || error instanceof JournalFileError) return "damage";
  if (error instanceof JournalUnavailableError) return "passing";
  return error instanceof StoreUnavailableError && error.reason !== "root" ? "passing" : "lasting";
}

function isDamage(error: unknown): boolean {
  return error instanceof CorruptRecordError || error instanceof DivergenceError;
}

function remedyFor(error: unknown, { aws, dataDir }: ServeSettings): string {
  if (error instanceof ListenError) {
    const orNone = error.door === "http" ? ", do without with --http off" : "";
    return `\nmillrace: choose another address with --${error.door} HOST:PORT${orNone}, or stop what has this one`;
  }
  if (error instanceof LockFileError) return `\nmillrace: check that ${dataDir} may be written by this user`;
  if (aws === undefined && isMkdirFailure(error)) {
    return `\nmillrace: name another with --data-dir, or let this user make or write the directory ${dataDir}`;
  }
  if (error instanceof BrokerIdInUseError) {
    return "\nmillrace: stop that process, or give this one an id of its own with --broker-id";
  }
  if (!isDamage(error)) return "";
  if (aws !== undefined) return "\nmillrace: restore the table to a time before the damage (point-in-time recovery)";
  return `\nmillrace: to see all that is damaged run: millrace doctor --data-dir ${dataDir}; then restore the directory from a backup`;
}

function isMkdirFailure(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "mkdir";
}
