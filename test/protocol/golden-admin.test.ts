import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from "#lib/protocol/messages/alter-partition-reassignments.ts";
import { DeleteRecordsRequest, DeleteRecordsResponse } from "#lib/protocol/messages/delete-records.ts";
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse,
} from "#lib/protocol/messages/describe-client-quotas.ts";
import { DescribeLogDirsRequest, DescribeLogDirsResponse } from "#lib/protocol/messages/describe-log-dirs.ts";
import { DescribeProducersRequest, DescribeProducersResponse } from "#lib/protocol/messages/describe-producers.ts";
import { ElectLeadersRequest, ElectLeadersResponse } from "#lib/protocol/messages/elect-leaders.ts";
import {
  ListPartitionReassignmentsRequest,
  ListPartitionReassignmentsResponse,
} from "#lib/protocol/messages/list-partition-reassignments.ts";
import { goldenList, testGoldens } from "./golden.ts";

// Bytes of the admin messages, written by the message classes of kafka-clients 4.3.1 from the values below.

const { goldens, golden } = goldenList();

const deletions = {
  topics: [
    {
      name: "orders",
      partitions: [
        { partitionIndex: 0, offset: 1234567890123 },
        { partitionIndex: 3, offset: -1 },
      ],
    },
  ],
  timeoutMs: 30_000,
};
golden(
  DeleteRecordsRequest,
  0,
  deletions,
  "0000000100066f726465727300000002000000000000011f71fb04cb00000003ffffffffffffffff00007530",
);
golden(
  DeleteRecordsRequest,
  2,
  deletions,
  "02076f726465727303000000000000011f71fb04cb0000000003ffffffffffffffff00000000753000",
);

const deleted = {
  throttleTimeMs: 5,
  topics: [
    {
      name: "orders",
      partitions: [
        { partitionIndex: 0, lowWatermark: 1234567890123, errorCode: 0 },
        { partitionIndex: 3, lowWatermark: -1, errorCode: 44 },
      ],
    },
  ],
};
golden(
  DeleteRecordsResponse,
  0,
  deleted,
  "000000050000000100066f726465727300000002000000000000011f71fb04cb000000000003ffffffffffffffff002c",
);
golden(
  DeleteRecordsResponse,
  2,
  deleted,
  "0000000502076f726465727303000000000000011f71fb04cb00000000000003ffffffffffffffff002c000000",
);

golden(
  DescribeProducersRequest,
  0,
  { topics: [{ name: "orders", partitionIndexes: [0, 3] }] },
  "02076f72646572730300000000000000030000",
);

const producer = {
  producerId: 4000,
  producerEpoch: 2,
  lastSequence: 17,
  lastTimestamp: 1700000000000,
  coordinatorEpoch: -1,
};
const producers = {
  throttleTimeMs: 5,
  topics: [
    {
      name: "orders",
      partitions: [
        { partitionIndex: 0, errorCode: 0, activeProducers: [producer] },
        { partitionIndex: 3, errorCode: 3, errorMessage: "gone", activeProducers: [] },
      ],
    },
  ],
};
golden(
  DescribeProducersResponse,
  0,
  producers,
  "0000000502076f72646572730300000000000000020000000000000fa000000002000000110000018bcfe56800ffffffffffffffffffffffff000000000003000305676f6e6501000000",
);

golden(
  DescribeLogDirsRequest,
  1,
  { topics: [{ topic: "orders", partitions: [0, 3] }] },
  "0000000100066f7264657273000000020000000000000003",
);
golden(
  DescribeLogDirsRequest,
  5,
  { topics: [{ topic: "orders", partitions: [0, 3] }] },
  "02076f72646572730300000000000000030000",
);
golden(DescribeLogDirsRequest, 1, { topics: null }, "ffffffff");
golden(DescribeLogDirsRequest, 5, { topics: null }, "0000");

const held = { partitionIndex: 3, partitionSize: 123456789012, offsetLag: 2, isFutureKey: true };
const logDirs = {
  throttleTimeMs: 5,
  results: [
    { errorCode: 0, logDir: "/data", topics: [{ name: "orders", partitions: [held] }] },
    { errorCode: 56, logDir: "/gone", topics: [], totalBytes: 2 ** 40, usableBytes: 2 ** 39, isCordoned: true },
  ],
};
golden(
  DescribeLogDirsResponse,
  1,
  logDirs,
  "0000000500000002000000052f646174610000000100066f726465727300000001000000030000001cbe991a14000000000000000201003800052f676f6e6500000000",
);
golden(
  DescribeLogDirsResponse,
  3,
  logDirs,
  "000000050000030000062f6461746102076f726465727302000000030000001cbe991a140000000000000002010000000038062f676f6e65010000",
);
golden(
  DescribeLogDirsResponse,
  4,
  logDirs,
  "000000050000030000062f6461746102076f726465727302000000030000001cbe991a140000000000000002010000ffffffffffffffffffffffffffffffff000038062f676f6e6501000001000000000000000080000000000000",
);
golden(
  DescribeLogDirsResponse,
  5,
  logDirs,
  "000000050000030000062f6461746102076f726465727302000000030000001cbe991a140000000000000002010000ffffffffffffffffffffffffffffffff00000038062f676f6e650100000100000000000000008000000000010000",
);

const election = { topicPartitions: [{ topic: "orders", partitions: [0, 3] }], timeoutMs: 30_000 };
golden(ElectLeadersRequest, 0, election, "0000000100066f726465727300000002000000000000000300007530");
golden(
  ElectLeadersRequest,
  1,
  { ...election, electionType: 1 },
  "010000000100066f726465727300000002000000000000000300007530",
);
golden(ElectLeadersRequest, 2, { ...election, electionType: 1 }, "0102076f7264657273030000000000000003000000753000");
golden(ElectLeadersRequest, 2, { topicPartitions: null }, "00000000ea6000");

const elected = {
  throttleTimeMs: 5,
  replicaElectionResults: [
    {
      topic: "orders",
      partitionResult: [
        { partitionId: 0, errorCode: 0, errorMessage: null },
        { partitionId: 3, errorCode: 84, errorMessage: "no need" },
      ],
    },
  ],
};
golden(
  ElectLeadersResponse,
  0,
  elected,
  "000000050000000100066f726465727300000002000000000000ffff00000003005400076e6f206e656564",
);
golden(
  ElectLeadersResponse,
  1,
  { ...elected, errorCode: 42 },
  "00000005002a0000000100066f726465727300000002000000000000ffff00000003005400076e6f206e656564",
);
golden(
  ElectLeadersResponse,
  2,
  { ...elected, errorCode: 42 },
  "00000005002a02076f7264657273030000000000000000000000030054086e6f206e656564000000",
);

const reassignment = {
  timeoutMs: 30_000,
  topics: [
    {
      name: "orders",
      partitions: [
        { partitionIndex: 0, replicas: [1, 2] },
        { partitionIndex: 3, replicas: null },
      ],
    },
  ],
};
golden(
  AlterPartitionReassignmentsRequest,
  0,
  reassignment,
  "0000753002076f72646572730300000000030000000100000002000000000300000000",
);
golden(
  AlterPartitionReassignmentsRequest,
  1,
  { ...reassignment, allowReplicationFactorChange: false },
  "000075300002076f72646572730300000000030000000100000002000000000300000000",
);

const reassigned = {
  throttleTimeMs: 5,
  allowReplicationFactorChange: false,
  errorCode: 0,
  errorMessage: null,
  responses: [
    {
      name: "orders",
      partitions: [
        { partitionIndex: 0, errorCode: 0, errorMessage: null },
        { partitionIndex: 3, errorCode: 85, errorMessage: "none" },
      ],
    },
  ],
};
golden(
  AlterPartitionReassignmentsResponse,
  0,
  reassigned,
  "0000000500000002076f7264657273030000000000000000000000030055056e6f6e65000000",
);
golden(
  AlterPartitionReassignmentsResponse,
  1,
  reassigned,
  "000000050000000002076f7264657273030000000000000000000000030055056e6f6e65000000",
);

golden(
  ListPartitionReassignmentsRequest,
  0,
  { timeoutMs: 30_000, topics: [{ name: "orders", partitionIndexes: [0, 3] }] },
  "0000753002076f72646572730300000000000000030000",
);
golden(ListPartitionReassignmentsRequest, 0, {}, "0000ea600000");

const onItsWay = { partitionIndex: 3, replicas: [1, 2, 3], addingReplicas: [3], removingReplicas: [1] };
const reassignments = {
  throttleTimeMs: 5,
  errorCode: 0,
  errorMessage: null,
  topics: [{ name: "orders", partitions: [onItsWay] }],
};
golden(
  ListPartitionReassignmentsResponse,
  0,
  reassignments,
  "0000000500000002076f726465727302000000030400000001000000020000000302000000030200000001000000",
);

const filter = {
  components: [
    { entityType: "user", matchType: 0, match: "ann" },
    { entityType: "client-id", matchType: 2, match: null },
  ],
  strict: true,
};
golden(DescribeClientQuotasRequest, 0, filter, "00000002000475736572000003616e6e0009636c69656e742d696402ffff01");
golden(DescribeClientQuotasRequest, 1, filter, "0305757365720004616e6e000a636c69656e742d69640200000100");

const quotas = {
  throttleTimeMs: 5,
  errorCode: 0,
  errorMessage: "",
  entries: [
    {
      entity: [
        { entityType: "user", entityName: "ann" },
        { entityType: "client-id", entityName: null },
      ],
      values: [{ key: "producer_byte_rate", value: 1048576.5 }],
    },
  ],
};
golden(
  DescribeClientQuotasResponse,
  0,
  quotas,
  "000000050000000000000001000000020004757365720003616e6e0009636c69656e742d6964ffff00000001001270726f64756365725f627974655f726174654130000080000000",
);
golden(
  DescribeClientQuotasResponse,
  1,
  quotas,
  "000000050000010203057573657204616e6e000a636c69656e742d69640000021370726f64756365725f627974655f726174654130000080000000000000",
);
golden(
  DescribeClientQuotasResponse,
  1,
  { errorCode: 42, errorMessage: "bad", entries: null },
  "00000000002a046261640000",
);

testGoldens(goldens);
