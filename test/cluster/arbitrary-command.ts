import fc from "fast-check";
import { KEY_OPERATIONS } from "#lib/cluster/api-key-state.ts";
import type { ClusterCommand, ConfigOperation } from "#lib/cluster/cluster-command.ts";
import { topicIdOf } from "./cluster-harness.ts";

const topicId = fc.integer({ min: 1, max: 6 }).map(topicIdOf);
const name = fc.constantFrom("a", "b", "a.b", "a_b", "c.d", "ü");
const key = fc.constantFrom("retention.ms", "cleanup.policy", "segment.ms");
const value = fc.constantFrom("", "1", "compact", "delete,compact", "x,y,z");
const operation: fc.Arbitrary<ConfigOperation> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), key, value }),
  fc.record({ kind: fc.constant("delete" as const), key }),
  fc.record({ kind: fc.constantFrom("append" as const, "subtract" as const), key, value, inherited: value }),
);
const alteration = fc.record({ replacesAll: fc.boolean(), operations: fc.array(operation, { maxLength: 4 }) });
const brokerId = fc.nat(2);
/** Numbers that the records of a short history have. */
const epoch = fc.integer({ min: 1, max: 20 });
/** Any command of the cluster journal, from few names and ids, so that commands meet each other. */
export const clusterCommand: fc.Arbitrary<ClusterCommand> = fc.oneof(
  fc.record({ kind: fc.constant("name-cluster" as const), clusterId: name }),
  fc.record({
    kind: fc.constant("create-topic" as const),
    topicId,
    name,
    partitionCount: fc.integer({ min: 0, max: 5 }),
    replicationFactor: fc.integer({ min: 1, max: 3 }),
    journalCount: fc.integer({ min: 1, max: 4 }),
    configs: fc.array(fc.record({ key, value }), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant("create-partitions" as const),
    topicId,
    partitionCount: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant("alter-topic-configs" as const), topicId, alteration }),
  fc.record({
    kind: fc.constant("alter-broker-configs" as const),
    brokerName: fc.constantFrom("", "1", "2"),
    alteration,
  }),
  fc.record({ kind: fc.constantFrom("delete-topic" as const, "forget-topic" as const), topicId }),
  fc.record({ kind: fc.constant("allocate-producer-ids" as const), count: fc.integer({ min: 0, max: 2_000 }) }),
  fc.record({
    kind: fc.constant("register-store" as const),
    storeId: fc.integer({ min: 0, max: 3 }),
    identity: topicId,
    url: fc.webUrl(),
  }),
  fc.record({
    kind: fc.constant("create-key" as const),
    keyId: name,
    secretHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    name: value,
    requestsPerSecond: fc.nat(50),
    expiresAtMs: fc.constantFrom(undefined, 1_800_000_000_000),
    rights: fc.array(fc.record({ operation: fc.constantFrom(...KEY_OPERATIONS), pattern: value }), { maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant("delete-key" as const), keyId: name }),
  fc.record({ kind: fc.constant("alter-group-configs" as const), groupId: name, alteration }),
  fc.record({
    kind: fc.constant("register-broker" as const),
    brokerId,
    incarnation: topicId,
    storeId: fc.nat(2),
    rack: fc.constantFrom(null, "", "a"),
    endpoints: fc.array(fc.record({ name, host: name, port: fc.nat(65_535) }), { maxLength: 2 }),
    replaces: fc.option(fc.record({ brokerEpoch: epoch, seenSeq: epoch }), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constantFrom("broker-heartbeat" as const, "stop-broker" as const),
    brokerId,
    brokerEpoch: epoch,
  }),
  fc.record({ kind: fc.constant("fence-broker" as const), brokerId, brokerEpoch: epoch, seenSeq: epoch }),
);
