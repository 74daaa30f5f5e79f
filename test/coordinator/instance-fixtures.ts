import { type ConsumerInstance, findInstance, type InstanceConfig } from "#lib/coordinator/consumer-instance.ts";
import type {
  AdvanceInstanceCommand,
  CreateInstanceCommand,
  InstancePosition,
} from "#lib/coordinator/instance-command.ts";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import { defined } from "#lib/util/assert.ts";
import { beatOf, FoldedConsumers, heartbeatOf } from "./consumer-fixtures.ts";
import { GROUP, topicIdOf } from "./group-fixtures.ts";

export const CONFIG: InstanceConfig = {
  format: "binary",
  autoOffsetReset: "latest",
  autoCommit: true,
  readCommitted: false,
  fetchBytesMin: 1,
  requestTimeoutMs: 1_000,
  timeoutMs: 300_000,
};

export function createOf(instanceId: string, config: Partial<InstanceConfig> = {}): CreateInstanceCommand {
  return { kind: "create-instance", groupId: GROUP, instanceId, config: { ...CONFIG, ...config } };
}

/** Positions of topic 1: `{ 0: 12 }` is offset 12 in partition 0. */
export function positionsOf(offsets: Readonly<Record<number, number>>): readonly InstancePosition[] {
  return Object.entries(offsets).map(([partition, offset]) => ({
    topicId: topicIdOf(1),
    partitionIndex: Number(partition),
    offset,
  }));
}

/** Instances of one group under test. */
export class FoldedInstances extends FoldedConsumers {
  instance(instanceId: string): ConsumerInstance {
    return defined(findInstance(this.state, { groupId: GROUP, instanceId }), instanceId);
  }

  has(instanceId: string): boolean {
    return findInstance(this.state, { groupId: GROUP, instanceId }) !== undefined;
  }

  assign(instanceId: string, partitions: Assignment, clusterSeq = 10): string {
    const subscription = { kind: "partitions", partitions } as const;
    return this.brief({ kind: "subscribe-instance", groupId: GROUP, instanceId, clusterSeq, subscription });
  }

  subscribe(instanceId: string, ...topicNames: readonly string[]): string {
    const subscription = { kind: "topics", topicNames } as const;
    return this.brief({ kind: "subscribe-instance", groupId: GROUP, instanceId, clusterSeq: 10, subscription });
  }

  unsubscribe(instanceId: string): string {
    const subscription = { kind: "none" } as const;
    return this.brief({ kind: "subscribe-instance", groupId: GROUP, instanceId, clusterSeq: 10, subscription });
  }

  seek(instanceId: string, offsets: Readonly<Record<number, number>>, clusterSeq = 10): string {
    const positions = positionsOf(offsets);
    return this.brief({ kind: "seek-instance", groupId: GROUP, instanceId, clusterSeq, positions });
  }

  advance(
    instanceId: string,
    offsets: Readonly<Record<number, number>>,
    fields: Partial<AdvanceInstanceCommand> = {},
  ): string {
    const { createdSeq, version } = this.instance(instanceId);
    return this.brief({
      kind: "advance-instance",
      groupId: GROUP,
      instanceId,
      createdSeq,
      version,
      clusterSeq: 10,
      commits: false,
      delivers: true,
      positions: positionsOf(offsets),
      ...fields,
    });
  }

  /** Creates an instance that is subscribed to topic 1 and has joined. */
  join(instanceId: string, config: Partial<InstanceConfig> = {}): void {
    this.fold(createOf(instanceId, config));
    this.subscribe(instanceId, "t1");
    this.beat(heartbeatOf(instanceId));
  }

  /** Lets an instance say that it gives up what it is to give up. */
  poll(instanceId: string): void {
    const { memberEpoch, assigned } = this.consumerMember(instanceId);
    this.beat(beatOf(instanceId, memberEpoch, { owned: assigned }));
  }

  positions(instanceId: string): Readonly<Record<number, number>> {
    return Object.fromEntries(this.instance(instanceId).positions.get(topicIdOf(1)) ?? []);
  }
}
