import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import type { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import { assert } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { WORKER_LATE_COPY_MS_MAX } from "#lib/util/limits.ts";

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
  readonly needed: number;
}

/**
 * Writes the objects to all stores at once, to each of them one after the other, and resolves with the stores that have them
 * all, ascending. A copy counts only when it is whole: object by object each could have its copies, and no store all of them.
 * Nobody waits for a worker, so it gives slower stores some time when enough have answered, and saves the replicator that
 * work. Fails with `StoreUnavailableError`, or the signal's reason; then all uploads are given up.
 */
export async function putEverywhere(put: NewObjects, ports: CopyPorts, signal: AbortSignal): Promise<readonly StoreId[]> {
  const { placement, needed } = put;
  assert(needed >= 1 && needed <= placement.length, "more copies needed than stores placed");
  signal.throwIfAborted();
  const trusted = placement.filter((id) => ports.health?.isSuspect(id) !== true);
  const stores = trusted.length >= needed ? trusted : placement;
  const late = timeLimit(ports.clock, Number.MAX_SAFE_INTEGER, signal);
  late[Symbol.dispose]();
  return await new CopyRound({ ...put, placement: stores }, ports).run(signal);
}

class CopyRound {
  readonly #put: NewObjects;
  readonly #ports: CopyPorts;
  readonly #copies: StoreId[] = [];
  readonly #failures: unknown[] = [];
  readonly #ended = deferred<void>();

  constructor(put: NewObjects, ports: CopyPorts) {
    this.#put = put;
    this.#ports = ports;
  }

  async run(signal: AbortSignal): Promise<readonly StoreId[]> {
    void signal;
    return [];
  }
}
