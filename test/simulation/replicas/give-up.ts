import { act } from "../services.ts";
import type { TrueBatch, TruePartition } from "../truth.ts";
import type { World } from "../world.ts";
import { liveBatches } from "./survival.ts";

// Where more was lost than any promise outlives, an operator gives it up, and what is left can be read.

/** Declares everything lost that no store has any more. */
export async function giveUp(world: World): Promise<void> {
  const random = world.fork();
  for (const partition of world.truth.partitions.values()) {
    const { topicId, partitionIndex } = partition;
    const topic = world.truth.topics.get(topicId);
    const isGone = liveBatches(partition).some((batch) => isLost(world, batch));
    if (!isGone || topic === undefined || topic.deletedAtMs !== undefined) continue;
    const broker = world.anyBroker(random);
    if (broker === undefined) return;
    const connection = world.connect(broker, random);
    const reply = await connection.call(
      act(async ({ view, lostRecords }, signal) => {
        await view.refresh(signal);
        const placement = view.topicByName(topic.name)?.placement;
        return placement && lostRecords.declareLost({ topic: placement, partitionIndex }, signal);
      }),
      300_000,
    );
    connection.close();
    world.scheduler.trace(`${partition.key} is given up: ${JSON.stringify(reply)}`);
    const verdict = reply.kind === "answer" ? reply.value?.kind : undefined;
    if (verdict !== "declared")
      world.history.problems.push(`checkLost: ${partition.key} cannot be given up: ${verdict}`);
  }
}

export function isLost({ losses }: World, { place }: TrueBatch): boolean {
  return place.kind === "object" && losses.isGone(place.key);
}

/** Whether a batch without records stands for nothing but what is lost. */
export function standsForLost(world: World, partition: TruePartition, from: number, to: number): boolean {
  const covered = partition.batches.filter(({ baseOffset, nextOffset }) => baseOffset < to && nextOffset > from);
  return covered.length > 0 && covered.every((batch) => isLost(world, batch));
}
