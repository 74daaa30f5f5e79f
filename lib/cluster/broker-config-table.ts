import {
  type BrokerConfigDefinition,
  boolean,
  className,
  double,
  int,
  list,
  long,
  NO_LIMIT,
  text,
} from "./broker-config-definition.ts";

// Broker configs by Kafka's names, with Kafka's defaults. Those that are defaults of topic configs stand in
// broker-configs.ts, those of groups and transactions in coordinator-config-table.ts. What a config does beyond being
// shown is said where it is used.

// Listeners can change while a broker runs in Kafka, and cannot here.
const IDENTITY: readonly BrokerConfigDefinition[] = [
  int("node.id", null, "The id by which clients know this broker.", { min: 0 }),
  int("broker.id", "-1", "The older name of node.id."),
  text("broker.rack", null, "Where this broker runs, such as a zone; clients prefer replicas in their own (KIP-392)."),
  list("listeners", "PLAINTEXT://:9092", "The addresses at which this broker listens."),
  list("advertised.listeners", null, "The addresses that clients are told, if others than those of listeners."),
  list(
    "listener.security.protocol.map",
    "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
    "The security protocol of each listener by its name.",
  ),
  text(
    "inter.broker.listener.name",
    null,
    "The listener for traffic between brokers. Brokers do not talk to each other here.",
  ),
  list("log.dirs", null, "The directories with this broker's data, where they are directories."),
  text("security.inter.broker.protocol", "PLAINTEXT", "The security protocol between brokers.", {
    valid: { kind: "one-of", values: ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] },
  }),
  className(
    "authorizer.class.name",
    "",
    "The class that authorizes requests in Kafka; empty means that nothing is denied.",
  ),
  int("broker.session.timeout.ms", "9000", "Milliseconds without a heartbeat after which a broker counts as gone.", {
    min: 1,
  }),
  int("broker.heartbeat.interval.ms", "2000", "Milliseconds between two heartbeats of a broker.", { min: 1 }),
];

const TOPICS: readonly BrokerConfigDefinition[] = [
  boolean("auto.create.topics.enable", "true", "Whether asking for a topic that does not exist creates it."),
  boolean("delete.topic.enable", "true", "Whether topics can be deleted."),
  int("num.partitions", "1", "Partitions of a topic that is created without saying how many.", { min: 1 }),
  int("default.replication.factor", "1", "Replicas of a topic that is created without saying how many.", { min: 1 }),
  long("replica.lag.time.max.ms", "30000", "Milliseconds after which a replica that lags behind leaves the ISR."),
  boolean("auto.leader.rebalance.enable", "true", "Whether leadership goes back to the preferred replica."),
  className(
    "replica.selector.class",
    null,
    "The class that picks a replica for a reader in Kafka. Any in-sync replica serves here.",
  ),
  int("max.request.partition.size.limit", "2000", "Partitions in one answer to DescribeTopicPartitions.", { min: 1 }),
];

const CONNECTIONS: readonly BrokerConfigDefinition[] = [
  int("socket.request.max.bytes", "104857600", "The largest request in bytes; a larger one closes its connection.", {
    min: 1,
  }),
  int("socket.send.buffer.bytes", "102400", "The operating system's send buffer of a connection; -1 for its default."),
  int(
    "socket.receive.buffer.bytes",
    "102400",
    "The operating system's receive buffer of a connection; -1 for its default.",
  ),
  int("socket.listen.backlog.size", "50", "Connections that may wait to be accepted.", { min: 1 }),
  long("connections.max.idle.ms", "600000", "Milliseconds after which an idle connection is closed."),
  int("connection.failed.authentication.delay.ms", "100", "Milliseconds to wait before a failed log-in is answered.", {
    min: 0,
  }),
  int("max.connections", NO_LIMIT, "Connections that this broker accepts at once.", { min: 0, update: "cluster-wide" }),
  int("max.connections.per.ip", NO_LIMIT, "Connections accepted from one address at once.", {
    min: 0,
    update: "cluster-wide",
  }),
  text("max.connections.per.ip.overrides", "", "Addresses with another limit, as address:limit pairs.", {
    update: "cluster-wide",
  }),
  int("max.connection.creation.rate", NO_LIMIT, "New connections a second.", { min: 0, update: "cluster-wide" }),
  int("queued.max.requests", "500", "Requests that may wait to be served.", { min: 1 }),
  long("queued.max.request.bytes", "-1", "Bytes of requests that may wait to be served; -1 leaves it to the broker."),
  int("request.timeout.ms", "30000", "Milliseconds after which a request counts as lost."),
  int("fetch.max.bytes", "57671680", "The most bytes in one answer to a fetch.", { min: 1024 }),
  int("max.incremental.fetch.session.cache.slots", "1000", "Fetch sessions that this broker keeps.", { min: 0 }),
  int("num.network.threads", "3", "Threads for the network in Kafka; one event loop serves here.", {
    min: 1,
    update: "cluster-wide",
  }),
  int("num.io.threads", "8", "Threads that serve requests in Kafka; one event loop serves here.", {
    min: 1,
    update: "cluster-wide",
  }),
  int("background.threads", "10", "Threads for background work in Kafka; one event loop serves here.", {
    min: 1,
    update: "cluster-wide",
  }),
  int("num.replica.fetchers", "1", "Threads that replicate in Kafka; writers write to all replicas here.", {
    min: 1,
    update: "cluster-wide",
  }),
];

const CLEANING: readonly BrokerConfigDefinition[] = [
  long(
    "log.retention.check.interval.ms",
    "300000",
    "Milliseconds between two looks for records past their retention, a minute at least.",
    {
      min: 1,
    },
  ),
  boolean("log.cleaner.enable", "true", "Whether compacted topics are cleaned."),
  int("log.cleaner.threads", "1", "Threads that clean.", { min: 0, update: "cluster-wide" }),
  double(
    "log.cleaner.io.max.bytes.per.second",
    "1.7976931348623157E308",
    "Bytes a second that cleaning may read and write.",
    {
      update: "cluster-wide",
    },
  ),
  long("log.cleaner.dedupe.buffer.size", "134217728", "Bytes of memory for the keys that cleaning compares.", {
    update: "cluster-wide",
  }),
  int("log.cleaner.io.buffer.size", "524288", "Bytes of memory for the records that cleaning reads.", {
    min: 0,
    update: "cluster-wide",
  }),
  double("log.cleaner.io.buffer.load.factor", "0.9", "How full the cleaner's table of keys may become.", {
    update: "cluster-wide",
  }),
  long("log.cleaner.backoff.ms", "15000", "Milliseconds to wait when there is nothing to clean.", {
    min: 0,
    update: "cluster-wide",
  }),
];

export const GENERAL_BROKER_CONFIGS: readonly BrokerConfigDefinition[] = [
  ...IDENTITY,
  ...TOPICS,
  ...CONNECTIONS,
  ...CLEANING,
];
