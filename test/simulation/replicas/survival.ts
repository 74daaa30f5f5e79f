import { CLUSTER_JOURNAL_ID } from "#lib/cluster/cluster-state-machine.ts";
import { decodePointer, objectsOf } from "#lib/journal/snapshot-shelf.ts";
import { storesOf } from "#lib/log/commit-rule.ts";
import { type JournalSeq, journalId, type ObjectKey, objectKey } from "#lib/util/branded.ts";
import type { TrueBatch, TruePartition } from "../truth.ts";
import type { World } from "../world.ts";

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
  for (const partition of world.truth.partitions.values()) {
    for (const { name, place, copies, baseOffset } of liveBatches(partition)) {
      if (place.kind === "inline") {
        if (!isInJournal(world, partition, place.seq)) {
          problems.push(`checkSurvival: ${name} travelled in record ${place.seq} of ${partition.journal}, now trimmed`);
        }
        continue;
      }
      problems.push(
        ...checkObject(world, place.key, copies).map((each) => `${each}: ${name} at ${partition.key}@${baseOffset}`),
      );
    }
  }
  return [...problems, ...checkSnapshots(world)];
}

function checkObject({ losses, stores }: World, key: ObjectKey, copies: number): readonly string[] {
  const count = stores.filter(({ service }) => service.objects.has(key)).length;
  const forgiven = count === 0 ? Math.max(losses.lostAtOnce(key), losses.lostBy(key)) : losses.lostBy(key);
  if (count >= copies - forgiven) return [];
  return [`checkSurvival: ${key} has ${count} copies of ${copies}, and ${forgiven} stores have lost it just now`];
}

/** What journals begin with outlives what a commit outlives. */
function checkSnapshots(world: World): readonly string[] {
  const ids = [CLUSTER_JOURNAL_ID, ...world.truth.logJournals().map(({ id }) => id)];
  return ids.flatMap((id) => {
    const pointer = world.journals.service.last(journalId(`${id}/snapshots`));
    if (pointer === undefined) return [];
    const copies = Math.floor(world.stores.length / 2) + 1;
    const problems = objectsOf(decodePointer(pointer)).flatMap(({ key }) => checkObject(world, objectKey(key), copies));
    return problems.map((each) => `${each}: the snapshot of ${id} at ${pointer.seq}`);
  });
}

/** When nothing has been wrong for long, each store has all that it should have. */
export function checkWhole(world: World): readonly string[] {
  const problems: string[] = [];
  if (world.losses.open().size > 0) problems.push("checkWhole: the end comes before losses had to be made good");
  for (const { id, state } of world.truth.logJournals()) {
    if (state.isr.length !== state.replicas.length) {
      problems.push(`checkWhole: in the end ${id} has the stores ${state.isr} of ${state.replicas} in sync`);
    }
    for (const partition of state.partitions.values()) {
      for (const { place, baseOffset } of partition.entries) {
        if (place.kind !== "object" || world.losses.isGone(place.key)) continue;
        const missing = storesOf(state, partition).filter(
          (storeId) => !world.stores[storeId]?.service.objects.has(place.key),
        );
        if (missing.length === 0) continue;
        problems.push(`checkWhole: in the end the stores ${missing} miss ${place.key} of ${id} at ${baseOffset}`);
      }
    }
  }
  return problems;
}

function isInJournal(world: World, { journal }: TruePartition, seq: JournalSeq): boolean {
  return world.journals.service.recordsOf(journal).some((record) => record.seq === seq);
}

/** Takes as many stores away for good as what is whole outlives: which, is chance. */
export function takeAway(world: World): void {
  const random = world.fork();
  const { replicationFactor } = world.profile;
  // Snapshots lie in more than half of the stores.
  const count = Math.min(Math.floor((world.stores.length - 1) / 2), replicationFactor - 1);
  const present = [...world.stores];
  for (let left = count; left > 0; left--) {
    for (const store of present.splice(random.below(present.length), 1)) {
      store.service.isDown = true;
      world.scheduler.trace(`in the end store ${store.id} is taken away`);
    }
  }
}
