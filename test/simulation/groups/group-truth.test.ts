import { beforeEach, describe, expect, test } from "vitest";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { beatOf, heartbeatOf } from "../../coordinator/consumer-fixtures.ts";
import { commitOf, GROUP } from "../../coordinator/group-fixtures.ts";
import { FoldedTruth } from "./folded-truth.ts";
import { TOPIC_ID } from "./group-names.ts";

describe("a commit that goes back behind another member's", () => {
  let folded: FoldedTruth;
  beforeEach(() => {
    folded = new FoldedTruth();
  });

  const fold = (command: GroupCommand) => folded.fold(command);

  /** Joins, is the only member, and gets partition 0. Returns since which epoch. */
  function join(memberId: string): number {
    fold(heartbeatOf(memberId));
    const { groups } = folded;
    const { createdSeq } = groups.group;
    const target = [{ memberId, partitions: new Map([[TOPIC_ID, [0]]]) }];
    fold({ kind: "set-target-assignment", groupId: GROUP, createdSeq, groupEpoch: groups.consumer.groupEpoch, target });
    fold(beatOf(memberId, groups.consumerMember(memberId).memberEpoch));
    return groups.consumerMember(memberId).memberEpoch;
  }

  function commit(memberId: string, offset: number, metadata: string): void {
    const partition = { partitionIndex: 0, offset, leaderEpoch: -1, metadata, expiresAtMs: -1 };
    const generationIdOrMemberEpoch = folded.groups.consumerMember(memberId).memberEpoch;
    const topics = [{ topicId: TOPIC_ID, partitions: [partition] }];
    fold(commitOf(offset, { memberId, generationIdOrMemberEpoch, topics }));
  }

  test("is a problem, unless the member was at that epoch in a group of the same name that is no more", () => {
    const since = ["first", "second"].map((life) => {
      join("b");
      commit("b", 9, `b of the ${life}`);
      fold(beatOf("b", -1));
      const epoch = join("a");
      commit("a", 5, `a of the ${life}`);
      fold(beatOf("a", -1));
      fold({ kind: "delete-group", groupId: GROUP });
      return epoch;
    });
    expect(since[1]).toBe(since[0]);
    expect(folded.problems).toEqual([`checkNoRetreat: ${GROUP} goes from b of the first back to a of the first`]);
  });
});
