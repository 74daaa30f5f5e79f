import { beforeEach, describe, expect, test } from "vitest";
import type { JoinCommand } from "#lib/coordinator/classic-command.ts";
import { subscriptionOf } from "#lib/coordinator/consumer-classic-answers.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import { beatOf, heartbeatOf } from "../../coordinator/consumer-fixtures.ts";
import { GROUP, joinOf, rejoinOf } from "../../coordinator/group-fixtures.ts";
import { FoldedTruth } from "./folded-truth.ts";
import { TOPIC_ID, TOPIC_NAME } from "./group-names.ts";
import { GroupOwners } from "./group-owners.ts";

const PROTOCOLS = [
  { name: "cooperative-sticky", metadata: encodeSubscription({ topics: [TOPIC_NAME], ownedPartitions: [] }, 3) },
];
const CLASSIC: Partial<JoinCommand> = { protocols: PROTOCOLS, subscription: subscriptionOf(PROTOCOLS, () => TOPIC_ID) };

describe("what a member may be told that it is to own", () => {
  let folded: FoldedTruth;
  let owners: GroupOwners;

  beforeEach(() => {
    folded = new FoldedTruth();
    owners = new GroupOwners(folded.truth, folded.problems);
  });

  const fold = (command: GroupCommand) => folded.fold(command);

  function tell(memberId: string, generation: number, ...part: readonly number[]): readonly string[] {
    owners.checkPart({ name: memberId, memberId, generation }, part);
    return folded.problems;
  }

  /** A classic member in a consumer group that has given it 0 and 1 at epoch 3, and a member of the other protocol. */
  function consumerGroup(): void {
    fold(heartbeatOf("c"));
    fold(joinOf("a", CLASSIC));
    const { createdSeq } = folded.groups.group;
    const target = [{ memberId: "a", partitions: new Map([[TOPIC_ID, [0, 1]]]) }];
    fold({ kind: "set-target-assignment", groupId: GROUP, createdSeq, groupEpoch: 3, target });
    fold(rejoinOf("a", CLASSIC));
  }

  test("is what its leader has given to somebody in its generation", () => {
    fold(joinOf("a", CLASSIC));
    owners.shareOut({ name: "a", memberId: "a", generation: 1 }, [[0, 1], [2]], 3);
    expect(tell("a", 1, 0, 1)).toEqual([]);
    expect(tell("a", 1, 0)).toEqual(["checkOneOwner: a is told 0, which nobody gave it in 1"]);
  });

  test("is what a consumer group has given it at its epoch", () => {
    consumerGroup();
    expect(tell("a", 3, 0, 1)).toEqual([]);
    expect(tell("a", 2, 0, 1)).toEqual(["checkOneOwner: a is told 0,1, which nobody gave it in 2"]);
  });

  test("is that still when the group has become classic while the answer was under way", () => {
    consumerGroup();
    fold(beatOf("c", -1));
    expect(folded.groups.classic.generationId).toBe(3);
    expect(tell("a", 3, 0, 1)).toEqual([]);
    fold(rejoinOf("a", CLASSIC));
    expect(folded.groups.classic.generationId).toBe(4);
    expect(tell("a", 4, 0, 1)).toEqual(["checkOneOwner: a is told 0,1, which nobody gave it in 4"]);
  });

  test("is never what the consumer group has given to another member", () => {
    consumerGroup();
    fold(joinOf("b", CLASSIC));
    expect(folded.groups.consumerMember("b").memberEpoch).toBe(3);
    expect(tell("b", 3, 0, 1)).toEqual(["checkOneOwner: b is told 0,1, which nobody gave it in 3"]);
  });
});
