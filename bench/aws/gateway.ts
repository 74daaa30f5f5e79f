import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { oneTopic } from "#lib/client/topic-metadata.ts";
import { type StartedBroker, startBroker } from "#lib/gateway/start-broker.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { SeededRandom } from "../../test/support/seeded-random.ts";
import { NEVER, openClient } from "../kafka/client.ts";
import { type Deployment, gatewaySettings, latencyOf } from "./deployment.ts";
import { latentJournal, latentStore } from "./latent-services.ts";
import type { Target } from "./open-loop.ts";

const TOPIC = "bench";
const TIMEOUT_MS = 30_000;

/** A gateway in this process on stores and journals in memory that take as long as AWS's own. */
export function startGateway(deployment: Deployment, seed: number): Promise<StartedBroker> {
  const clock = new SystemClock();
  const random = new SeededRandom(seed);
  const stores = Array.from(
    { length: deployment.storeCount },
    (_, id) => [id, latentStore(latencyOf(deployment, id), { clock, random })] as const,
  );
  return startBroker(
    {
      journal: latentJournal({ clock, random }),
      stores: new StoreSet(new Map(stores)),
      clock,
      random: new SystemRandom(),
      logger: SILENT_LOGGER,
    },
    gatewaySettings(deployment),
  );
}

/** A topic on it, to send to. */
export async function newTarget({ services, listeners }: StartedBroker, partitionCount: number): Promise<Target> {
  const port = listeners[0]?.port ?? 0;
  const topic = { name: TOPIC, partitionCount, replicationFactor: -1, configs: new Map() };
  const result = await services.topicAdmin.createTopic(topic, { validateOnly: false, signal: NEVER });
  if (result.kind === "refused") throw new Error(result.message);
  const address = { host: "127.0.0.1", port };
  await using client = openClient(address);
  return { ...address, topic: await oneTopic(client, TOPIC, { signal: NEVER, timeoutMs: TIMEOUT_MS }) };
}
