import type { Expiry } from "./classic-expiries.ts";
import type { ConsumerInstance } from "./consumer-instance.ts";

/** Names what an observer has seen of an instance. */
export function instanceExpiryKey({ instanceId, seenSeq }: Pick<ConsumerInstance, "instanceId" | "seenSeq">): string {
  return `instance ${seenSeq} ${instanceId}`;
}

/** The expiries of a group's instances; observers do with them what they do with those of members (classic-expiries.ts). */
export function instanceExpiries(instances: Iterable<ConsumerInstance>): readonly Expiry[] {
  return Array.from(instances, (instance) => {
    const { groupId, instanceId, seenSeq, config } = instance;
    return {
      key: instanceExpiryKey(instance),
      afterMs: config.timeoutMs,
      command: { kind: "expire-instance", groupId, instanceId, seenSeq },
    };
  });
}
