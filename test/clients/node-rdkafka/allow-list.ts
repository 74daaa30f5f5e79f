import type { AllowList } from "../support/allow-list.ts";

const GROUPS = "needs consumer groups";
const GROUP_ID = "its consumer has a group id and looks for the coordinator at once";

/** By mocha's full titles; a title that is left out stands for all below it. */
export const NODE_RDKAFKA_TESTS: AllowList = {
  runs: [
    "Producer with dr_cb should connect to Kafka",
    "Producer with dr_cb should produce a message with a null payload and null key",
    "Producer with dr_cb should produce a message with a payload and key",
    "Producer with dr_cb should produce a message with a payload and key buffer",
    "Producer with dr_cb should produce a message with an opaque",
    "Producer with dr_cb should get 100% deliverability",
    "Producer with_dr_msg_cb should produce a message with a payload and key",
    "Producer with_dr_msg_cb should produce a message with an empty payload and empty key (https://github.com/Blizzard/node-rdkafka/issues/117)",
    "Producer with_dr_msg_cb should produce a message with a null payload and null key  (https://github.com/Blizzard/node-rdkafka/issues/117)",
    "Producer with_dr_msg_cb should produce an int64 key (https://github.com/Blizzard/node-rdkafka/issues/208)",
    "Admin createTopic should create topic sucessfully",
    "Admin createTopic should raise an error when replication_factor is larger than number of brokers",
    "Admin deleteTopic should be able to delete a topic after creation",
    "Admin createPartitions should be able to add partitions to a topic after creation",
    "Admin createPartitions should NOT be able to reduce partitions to a topic after creation",
  ],
  leftOut: {
    Consumer: GROUP_ID,
    "Consumer/Producer": GROUPS,
    "Consumer group/Producer": GROUPS,
    "Transactional Producer": "needs transactions",
  },
};
