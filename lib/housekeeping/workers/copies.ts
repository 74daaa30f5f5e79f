import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import { transferMs } from "#lib/storage/transfer-time.ts";
import { assert } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { STORE_PUT_MS_MAX, WORKER_LATE_COPY_MS_MAX } from "#lib/util/limits.ts";

export interface CopyPorts {
  readonly writer: ReplicatedWriter;
  readonly health?: StoreHealth | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface NewObject {
  readonly key: ObjectKey;
  readonly chunks: readonly Uint8Array[];
}

/** Objects that are of use only together. */
export interface NewObjects {
  readonly objects: readonly NewObject[];
  readonly placement: readonly StoreId[];
  /** How many stores must have all of them. */
  readonly needed: number;
}

/**
 * Writes the objects to all stores at once, to each of them one after the other, and resolves with the stores that have them
 * all, ascending: object by object each could have its copies, and no store all of them. Nobody waits for a worker, so
 * slower stores get some time when enough have answered: that saves the replicator the work. Suspect ones are left out while
 * the others are enough. Fails with `StoreUnavailableError`, or the signal's reason; then all uploads are given up.
 */
export async function putEverywhere(
  put: NewObjects,
  ports: CopyPorts,
  signal: AbortSignal,
): Promise<readonly StoreId[]> {
  const { objects, placement, needed } = put;
  assert(needed >= 1 && needed <= placement.length, "more copies needed than stores placed");
  signal.throwIfAborted();
  const trusted = placement.filter((id) => ports.health?.isSuspect(id) !== true);
  const stores = trusted.length >= needed ? trusted : placement;
  const own = sharedAbortController();
  // A store that hangs must not keep all that is due behind it from being done.
  using limit = timeLimit(ports.clock, STORE_PUT_MS_MAX + transferMs(sizeOf(objects)), signal);
  limit.signal.addEventListener("abort", () => own.abort(limit.signal.reason), { once: true });
  const copies: StoreId[] = [];
  const failures: unknown[] = [];
  let late: ScheduledCall | undefined;
  const upload = async (id: StoreId): Promise<void> => {
    try {
      for (const object of objects) await ports.writer.put({ ...object, placement: [id], needed: 1 }, own.signal);
      copies.push(id);
      if (copies.length < needed) return;
      late ??= ports.clock.schedule(WORKER_LATE_COPY_MS_MAX, () => own.abort(new Error("enough stores have it")));
    } catch (error) {
      failures.push(error);
      if (stores.length - failures.length < needed) own.abort(error);
    }
  };
  try {
    await Promise.all(stores.map(upload));
  } finally {
    late?.cancel();
  }
  if (copies.length >= needed) return copies.sort((a, b) => a - b);
  signal.throwIfAborted();
  const [first] = failures;
  if (first instanceof StoreUnavailableError) throw first;
  throw new StoreUnavailableError(`${needed} stores are needed, ${copies.length} have it`, {
    reason: "io",
    cause: first,
  });
}

function sizeOf(objects: readonly NewObject[]): number {
  let byteLength = 0;
  for (const { chunks } of objects) for (const chunk of chunks) byteLength += chunk.byteLength;
  return byteLength;
}
