import fc from "fast-check";
import type { InstanceConfig, InstanceSubscription } from "#lib/coordinator/consumer-instance.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { assignments } from "./arbitrary-group-command.ts";
import { topicIdOf } from "./group-fixtures.ts";

// Commands on consumer instances whose names are those of members too, so that heartbeats find them.

const who = { groupId: fc.constantFrom("one", "two"), instanceId: fc.constantFrom("a", "b", "c") };
const small = fc.integer({ min: 0, max: 5 });

const configs: fc.Arbitrary<InstanceConfig> = fc.record({
  format: fc.constantFrom("binary" as const, "json" as const),
  autoOffsetReset: fc.constantFrom("earliest" as const, "latest" as const, "none" as const),
  autoCommit: fc.boolean(),
  readCommitted: fc.boolean(),
  fetchBytesMin: fc.constantFrom(1, 1_000),
  requestTimeoutMs: fc.constantFrom(0, 1_000),
  timeoutMs: fc.constant(300_000),
});

const subscriptions: fc.Arbitrary<InstanceSubscription> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom({ kind: "topics" as const, topicNames: ["pay", "ship"] }) },
  { weight: 1, arbitrary: fc.constant({ kind: "pattern" as const, regex: "p.*" }) },
  { weight: 3, arbitrary: assignments.map((partitions) => ({ kind: "partitions" as const, partitions })) },
  { weight: 1, arbitrary: fc.constant({ kind: "none" as const }) },
);

const positions = fc.array(
  fc.record({
    topicId: fc.integer({ min: 1, max: 3 }).map(topicIdOf),
    partitionIndex: small,
    offset: fc.integer({ min: 0, max: 2 ** 40 }),
  }),
  { maxLength: 2 },
);

const clusterSeq = fc.integer({ min: 0, max: 8 });

export const instanceCommands: fc.Arbitrary<GroupCommand> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("create-instance" as const), ...who, config: configs }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("subscribe-instance" as const),
      ...who,
      clusterSeq,
      subscription: subscriptions,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("seek-instance" as const), ...who, clusterSeq, positions }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("advance-instance" as const),
      ...who,
      createdSeq: small,
      version: small,
      clusterSeq,
      commits: fc.boolean(),
      delivers: fc.boolean(),
      positions,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("touch-instance" as const), ...who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete-instance" as const), ...who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("expire-instance" as const), ...who, seenSeq: small }) },
);
