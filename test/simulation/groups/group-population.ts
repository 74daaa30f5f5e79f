import { describeError } from "#lib/runtime/logger.ts";
import { ClassicClient } from "./classic-client.ts";
import { ConsumerClient } from "./consumer-client.ts";
import type { ClientOptions, GroupClient } from "./group-client.ts";
import type { GroupWorld } from "./group-world.ts";
import type { SimGroup } from "./sim-group.ts";
import { SimpleClient } from "./simple-client.ts";

const START_MS_MAX = 10_000;
const SUCCESSION_MS_MAX = 20_000;

/** Starts the clients of a group. Whoever is gone has a successor soon: a static one under its instance id. */
export function populate(world: GroupWorld, group: SimGroup): void {
  const { scheduler } = world;
  const { profile, owners } = group;
  const random = world.fork();
  let count = 0;

  const startSoon = (groupInstanceId: string | undefined, withinMs: number): void => {
    scheduler.schedule(random.below(withinMs), () => {
      const { elapsedMs } = scheduler;
      if (!group.isQuietAt(elapsedMs)) start(groupInstanceId);
      else scheduler.schedule(profile.quietToMs - elapsedMs, () => startSoon(groupInstanceId, withinMs));
    });
  };
  const start = (groupInstanceId: string | undefined): void => {
    const succeed = (): void => startSoon(groupInstanceId, SUCCESSION_MS_MAX);
    const kind = group.kindAt(scheduler.elapsedMs);
    const name = `${group.groupId}c${count++}`;
    scheduler.trace(`${name} starts, ${kind} ${groupInstanceId ?? ""}`);
    const client = newClient({ world, group, name, kind, groupInstanceId, succeed });
    owners.clients.push(client);
    client
      .run()
      .catch((error: unknown) => world.problems.push(`the simulation itself failed: ${describeError(error)}`))
      .finally(() => {
        scheduler.trace(`${name} is gone`);
        owners.clients.splice(owners.clients.indexOf(client), 1);
        if (!client.isSucceeded) succeed();
      });
  };

  for (let index = 0; index < profile.memberCount; index++) {
    startSoon(random.chance(profile.staticRate) ? `${group.groupId}i${index}` : undefined, START_MS_MAX);
  }
}

function newClient(options: ClientOptions): GroupClient {
  if (options.kind === "simple") return new SimpleClient(options);
  return options.kind === "consumer" ? new ConsumerClient(options) : new ClassicClient(options);
}
