import type { JournalSeq, ObjectKey } from "#lib/util/branded.ts";
import type { StoreWorld } from "../sim-object-store.ts";
import type { TrueBatch, TruePartition } from "../truth.ts";
import type { World } from "../world.ts";
import type { OpenLoss } from "./losses.ts";

// What is committed at c copies outlives the loss of any c - 1 stores, and of any number of processes: these hold nothing.

/** Batches that somebody may still read. */
export function liveBatches({ batches, marks, droppedAtMs }: TruePartition): readonly TrueBatch[] {
  const logStartOffset = marks.at(-1)?.logStartOffset ?? 0;
  return droppedAtMs === undefined ? batches.filter(({ nextOffset }) => nextOffset > logStartOffset) : [];
}

/**
 * For each set of c - 1 stores taken away, each batch committed at c copies can be read from the others; stores that have
 * just lost something count as taken away.
 */
export function checkSurvival(world: World): readonly string[] {
  const problems: string[] = [];
  const open = world.losses.open();
  for (const partition of world.truth.partitions.values()) {
    for (const { name, place, copies, baseOffset } of liveBatches(partition)) {
      if (place.kind === "inline") {
        if (!isInJournal(world, partition, place.seq)) {
          problems.push(`checkSurvival: ${name} travelled in record ${place.seq} of ${partition.journal}, now trimmed`);
        }
        continue;
      }
      if (world.losses.gone.has(place.key)) continue;
      const holders = world.stores.filter(({ service }) => service.objects.has(place.key));
      const forgiven = world.stores.filter((store) => isForgiven(store, place.key, open.get(store.id))).length;
      if (holders.length < copies - forgiven) {
        const where = `${partition.key}@${baseOffset}`;
        problems.push(`checkSurvival: ${name} at ${where} has ${holders.length} copies of ${copies}, less ${forgiven}`);
      }
    }
  }
  return problems;
}

function isForgiven({ lost, service }: StoreWorld, key: ObjectKey, open: OpenLoss | undefined): boolean {
  return open !== undefined && !service.objects.has(key) && (lost.get(key) ?? -1) >= open.firstMs;
}

function isInJournal(world: World, { journal }: TruePartition, seq: JournalSeq): boolean {
  return world.journals.service.recordsOf(journal).some((record) => record.seq === seq);
}

/** Takes as many stores away for good as every promise outlives: which, is chance. */
export function takeAway(world: World): void {
  const random = world.fork();
  const { gone } = world.losses;
  const batches = [...world.truth.partitions.values()].flatMap(liveBatches);
  const kept = batches.filter(({ place }) => place.kind === "inline" || !gone.has(place.key));
  const copies = kept.map((batch) => batch.copies);
  // Snapshots lie in more than half of the stores.
  const count = Math.min(Math.floor((world.stores.length - 1) / 2), ...copies.map((each) => each - 1));
  const lost = new Set(world.losses.open().keys());
  for (let left = count - lost.size; left > 0; left--) {
    const present = world.stores.filter(({ id }) => !lost.has(id));
    lost.add(present[random.below(present.length)]?.id ?? 0);
  }
  for (const { id, service } of world.stores) service.isDown = lost.has(id);
  world.scheduler.trace(`in the end the stores ${[...lost].join(", ")} are taken away`);
}
