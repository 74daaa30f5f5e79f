import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import {
  MemoryObjectService,
  MemoryObjectStore,
  type StoreFaultPlan,
} from "#lib/adapters/memory/memory-object-store.ts";
import type { Journal } from "#lib/journal/journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { WRITE_AHEAD_PREFIX } from "#lib/storage/object-keys.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import type { SeededRandom } from "../../test/support/seeded-random.ts";
import { DYNAMODB, latencySampler, type StoreLatency } from "./latency.ts";

/** Objects of records that a store keeps: what is older is in no cache and read by nobody here, and memory has an end. */
const WRITE_AHEAD_OBJECTS_KEPT = 48;

/** A bucket in memory that takes as long as one of S3. */
export function latentStore(
  latency: StoreLatency,
  { clock, random, objectsKept = WRITE_AHEAD_OBJECTS_KEPT }: LatentPorts & { readonly objectsKept?: number },
): ObjectStore {
  const service = new MemoryObjectService(clock);
  const put = latencySampler(latency.put, random.fork());
  const get = latencySampler(latency.get, random.fork());
  const kept: string[] = [];
  const faults: StoreFaultPlan = ({ operation, key }) => {
    if (operation === "putIfAbsent" && key.startsWith(WRITE_AHEAD_PREFIX)) kept.push(key);
    while (kept.length > objectsKept) service.delete(objectKey(kept.shift() ?? ""));
    return { kind: "slow", delayMs: operation.startsWith("get") ? get() : put() };
  };
  return new MemoryObjectStore(service, { clock, faults });
}

/** Journals in memory that take as long as those in DynamoDB. */
export function latentJournal({ clock, random }: LatentPorts): Journal {
  const sample = latencySampler(DYNAMODB, random.fork());
  const faults: JournalFaultPlan = { next: () => ({ kind: "slow", ms: sample() }) };
  return new MemoryJournalService(clock).connect(faults);
}

export interface LatentPorts {
  readonly clock: Clock;
  readonly random: SeededRandom;
}
