import { readBatchHeader } from "#lib/record/record-batch.ts";
import { CostWorld, NEVER } from "../cost/cost-world.ts";
import { gatewaySettings } from "./deployment.ts";
import { batchOf, type LoadTimes } from "./open-loop.ts";
import type { Scenario } from "./scenarios.ts";

const TOPIC = "bench";

/**
 * The same load on a simulated clock, without doors: milliseconds from each append to its answer. Nothing but waiting is in
 * them: for the flush, for the services, for what comes before in a lane or a journal.
 */
export async function simulatedAcks(
  { deployment, load, partitions }: Scenario,
  times: LoadTimes,
  seed: number,
): Promise<readonly number[]> {
  await using world = new CostWorld({ ...deployment, seed });
  const { clock } = world;
  const work = async (): Promise<readonly number[]> => {
    const broker = await world.start(gatewaySettings(deployment));
    const topic = await world.createTopic(broker, TOPIC, partitions);
    const bytes = batchOf(load.recordsPerRequest);
    const header = readBatchHeader(bytes);
    const { appender } = broker.services;
    const append = async (partitionIndex: number): Promise<number> => {
      const startedAtMs = clock.monotonicMs();
      const appends = [{ topic: topic.placement, partitionIndex, header, bytes }];
      const [answer] = await appender.append(appends, { signal: NEVER, requireMinInsync: true });
      if (answer?.kind !== "appended") throw new Error(`a batch is not appended: ${JSON.stringify(answer)}`);
      return clock.monotonicMs() - startedAtMs;
    };
    const acks: Promise<number>[] = [];
    const count = Math.round((times.warmUpSeconds + times.seconds) * load.requestsPerSecond);
    for (let sent = 0; sent < count; sent++) {
      await clock.sleep(1_000 / load.requestsPerSecond);
      acks.push(append(Math.floor(sent / load.producers) % partitions));
    }
    return (await Promise.all(acks)).slice(Math.round(times.warmUpSeconds * load.requestsPerSecond));
  };
  return await world.run(work());
}
