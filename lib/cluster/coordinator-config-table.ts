import {
  type BrokerConfigDefinition,
  boolean,
  int,
  list,
  long,
  NO_LIMIT,
  short,
  text,
} from "./broker-config-definition.ts";

// Broker configs of producers, groups and transactions, by Kafka's names and with Kafka's defaults.

const PRODUCERS: readonly BrokerConfigDefinition[] = [
  int(
    "producer.id.expiration.ms",
    "86400000",
    "Milliseconds after which a partition forgets an idle producer id; below 15 minutes it counts as 15 minutes.",
    { min: 1, update: "cluster-wide" },
  ),
];

const CLASSIC_GROUPS: readonly BrokerConfigDefinition[] = [
  int(
    "group.min.session.timeout.ms",
    "6000",
    "The shortest session time-out that a classic member may ask for, in ms.",
  ),
  int(
    "group.max.session.timeout.ms",
    "1800000",
    "The longest session time-out that a classic member may ask for, in ms.",
  ),
  int(
    "group.initial.rebalance.delay.ms",
    "3000",
    "Milliseconds for which an empty classic group waits for more members.",
  ),
  int("group.max.size", NO_LIMIT, "Members that a classic group may have.", { min: 1 }),
];

const CONSUMER_GROUPS: readonly BrokerConfigDefinition[] = [
  list(
    "group.coordinator.rebalance.protocols",
    "classic,consumer,streams",
    "The group protocols that this broker speaks; streams it does not, whatever this says.",
    { valid: { kind: "some-of", values: ["classic", "consumer", "share", "streams"] } },
  ),
  int("group.consumer.session.timeout.ms", "45000", "Session time-out of members of consumer groups, in ms.", {
    min: 1,
  }),
  int(
    "group.consumer.min.session.timeout.ms",
    "45000",
    "The shortest session time-out a consumer group may set, in ms.",
    {
      min: 1,
    },
  ),
  int(
    "group.consumer.max.session.timeout.ms",
    "60000",
    "The longest session time-out a consumer group may set, in ms.",
    {
      min: 1,
    },
  ),
  int("group.consumer.heartbeat.interval.ms", "5000", "Heartbeat interval of members of consumer groups, in ms.", {
    min: 1,
  }),
  int(
    "group.consumer.min.heartbeat.interval.ms",
    "5000",
    "The shortest heartbeat interval a consumer group may set, in ms.",
    {
      min: 1,
    },
  ),
  int(
    "group.consumer.max.heartbeat.interval.ms",
    "15000",
    "The longest heartbeat interval a consumer group may set, in ms.",
    {
      min: 1,
    },
  ),
  int(
    "group.consumer.assignment.interval.ms",
    "1000",
    "Milliseconds between two assignments of a consumer group. They are made at once here, whatever this says.",
    { min: 0, update: "cluster-wide" },
  ),
  int(
    "group.consumer.min.assignment.interval.ms",
    "0",
    "The shortest time between assignments a consumer group may set, in ms.",
    { min: 0 },
  ),
  int(
    "group.consumer.max.assignment.interval.ms",
    "15000",
    "The longest time between assignments a consumer group may set, in ms.",
    { min: 0 },
  ),
  boolean(
    "group.consumer.assignor.offload.enable",
    "true",
    "Whether Kafka assigns in a thread of its own. Nothing changes here.",
  ),
  int("group.consumer.max.size", NO_LIMIT, "Members that a consumer group may have.", { min: 1 }),
  list("group.consumer.assignors", "uniform,range", "The assignors that the broker offers, the default one first."),
  text("group.consumer.migration.policy", "bidirectional", "Whether groups may change between the two protocols.", {
    valid: { kind: "one-of", values: ["disabled", "downgrade", "upgrade", "bidirectional"] },
  }),
];

const OFFSETS: readonly BrokerConfigDefinition[] = [
  int("offset.metadata.max.bytes", "4096", "The longest text that a committed offset may carry, in bytes."),
  int("offsets.retention.minutes", "10080", "Minutes for which an empty group's offsets are kept.", { min: 1 }),
  long("offsets.retention.check.interval.ms", "600000", "Milliseconds between two looks for offsets to forget.", {
    min: 1,
  }),
  int("offsets.commit.timeout.ms", "5000", "Milliseconds within which a commit of offsets must be replicated.", {
    min: 1,
  }),
  int("offsets.topic.num.partitions", "50", "Partitions of Kafka's offsets topic. Groups live in journals here.", {
    min: 1,
  }),
  short("offsets.topic.replication.factor", "3", "Replicas of Kafka's offsets topic.", { min: 1 }),
  int("offsets.topic.segment.bytes", "104857600", "Segment size of Kafka's offsets topic.", { min: 1 }),
];

const TRANSACTIONS: readonly BrokerConfigDefinition[] = [
  int(
    "transactional.id.expiration.ms",
    "604800000",
    "Milliseconds after which an unused transactional id is forgotten.",
    {
      min: 1,
    },
  ),
  int(
    "transaction.max.timeout.ms",
    "900000",
    "The longest time-out that a producer may ask for its transactions, in ms.",
    {
      min: 1,
    },
  ),
  int(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    "10000",
    "Milliseconds between two looks for transactions that are over time.",
    { min: 1 },
  ),
  int(
    "transaction.remove.expired.transaction.cleanup.interval.ms",
    "3600000",
    "Milliseconds between two looks for transactional ids to forget.",
    { min: 1 },
  ),
  boolean(
    "transaction.partition.verification.enable",
    "true",
    "Whether a partition is checked to belong to the transaction.",
    {
      update: "cluster-wide",
    },
  ),
  boolean(
    "transaction.two.phase.commit.enable",
    "false",
    "Whether producers may take part in two-phase commits (KIP-939).",
  ),
  int(
    "transaction.state.log.num.partitions",
    "50",
    "Partitions of Kafka's transaction topic. Journals hold them here.",
    {
      min: 1,
    },
  ),
  short("transaction.state.log.replication.factor", "3", "Replicas of Kafka's transaction topic.", { min: 1 }),
  int("transaction.state.log.min.isr", "2", "Replicas of Kafka's transaction topic that must be in sync.", { min: 1 }),
];

export const COORDINATOR_CONFIGS: readonly BrokerConfigDefinition[] = [
  ...PRODUCERS,
  ...CLASSIC_GROUPS,
  ...CONSUMER_GROUPS,
  ...OFFSETS,
  ...TRANSACTIONS,
];
