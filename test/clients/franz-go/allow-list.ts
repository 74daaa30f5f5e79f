import type { AllowList } from "../support/allow-list.ts";

const NO_INTERNAL_TOPIC = "looks for the topic __consumer_offsets, which is not there: groups live in journals";
const TRANSACTIONS = "needs transactions";
const SHARE_GROUPS = "needs share groups";
const SCRAM = "needs a listener with SCRAM";

/** Some of a test's own subtests, which run in a program of their own. */
export interface TestPart {
  /** For the program's `-test.run`. */
  readonly pattern: string;
  /** All that the pattern selects: each has to pass. */
  readonly subtests: readonly string[];
  readonly isNightlyOnly?: boolean;
}

/**
 * Tests that are too much for one run. TestGroupETL gives each of its six chains one of four places and takes none back
 * from a chain that is not selected; so a part has at least two chains, of which one is not the last.
 */
export const KGO_PARTS: Readonly<Record<string, readonly TestPart[]>> = {
  TestGroupETL: [
    {
      pattern: "^TestGroupETL$/^(range|sticky)$",
      subtests: ["range", "range/848", "sticky/848", "sticky/848/static"],
    },
    {
      pattern: "^TestGroupETL$/^cooperative-sticky$",
      subtests: ["cooperative-sticky", "cooperative-sticky/static"],
      isNightlyOnly: true,
    },
  ],
};

/** The tests of pkg/kgo that reach a broker. All others run inside the client alone and say nothing about a broker. */
export const KGO_TESTS: AllowList = {
  runs: [
    "TestPing",
    "TestIssue1034",
    "TestClient_Produce",
    "TestClient_ProduceLargeMessages",
    "TestIssue769",
    "TestIssue831",
    "TestIssueProduceSyncManualPartitionNegativeDoesNotPanic",
    "TestAuditFlushWokenByBlockedProduceCancel",
    "TestIssue325",
    "TestIssue337",
    "TestIssue434",
    "TestIssue648",
    "TestIssue810",
    "TestIssue865",
    "TestPauseIssue489",
    "TestPauseIssueOct2023",
    "TestDirectPartitionPurge",
    "TestAddRemovePartitions",
    "TestIssueFetchLargerThanBrokerMaxReadBytes",
    "TestConsumeMaxDecompressBatchBytes",
    "TestPooling",
    "TestHookPollStart",
    "TestUnknownGroupOffsetFetchPinned",
    "TestIssue523",
    "TestGroupSimple",
    "TestGroupETL",
  ],
  leftOut: {
    TestConsumeRegex: NO_INTERNAL_TOPIC,
    TestIssueProduceBrokerTooOldFailsRecords: "skips itself where ApiVersions lists Produce from 0, as Kafka does",
    Test848RegexBrokerResolves: NO_INTERNAL_TOPIC,
    TestTxnEtl: TRANSACTIONS,
    TestShareGroup: SHARE_GROUPS,
    TestShareGroupETL: SHARE_GROUPS,
    TestShareGroupAckOnClose: SHARE_GROUPS,
    TestShareGroupOffsetsAdmin: SHARE_GROUPS,
    TestConsumeRegexShareSkipsInternal: SHARE_GROUPS,
    TestSCRAMAuth: SCRAM,
    TestSCRAMAuthBadCredentials: SCRAM,
  },
};
