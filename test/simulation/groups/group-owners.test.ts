import { beforeEach, describe, expect, test } from "vitest";
import type { JoinCommand } from "#lib/coordinator/classic-command.ts";
import { subscriptionOf } from "#lib/coordinator/consumer-classic-answers.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import { beatOf, FoldedConsumers, heartbeatOf } from "../../coordinator/consumer-fixtures.ts";
import { GROUP, joinOf, rejoinOf } from "../../coordinator/group-fixtures.ts";
import { Scheduler } from "../scheduler.ts";
import { TOPIC_ID, TOPIC_NAME } from "./group-names.ts";
import { GroupOwners } from "./group-owners.ts";
import { GroupTruth } from "./group-truth.ts";

const PROTOCOLS = [
  { name: "cooperative-sticky", metadata: encodeSubscription({ topics: [TOPIC_NAME], ownedPartitions: [] }, 3) },
];
const CLASSIC: Partial<JoinCommand> = { protocols: PROTOCOLS, subscription: subscriptionOf(PROTOCOLS, () => TOPIC_ID) };

describe("what a member may be told that it is to own", () => {
  let groups: FoldedConsumers;
  let truth: GroupTruth;
  let owners: GroupOwners;
  let problems: string[];

  beforeEach(() => {
    groups = new FoldedConsumers();
    problems = [];
    const options = { scheduler: new Scheduler(), problems, consumerSessionMs: 0, retentionMs: 0 };
    truth = new GroupTruth(GROUP, { ...options, recordAtMs: () => 0 });
    owners = new GroupOwners(truth, problems);
  });

  function fold(command: GroupCommand): void {
    const before = truth.before(groups.state.groups.get(GROUP), command);
    const outcome = groups.fold(command);
    truth.after(groups.state.groups.get(GROUP), command, outcome, before);
  }

  function tell(memberId: string, generation: number, ...part: readonly number[]): readonly string[] {
    owners.checkPart({ name: memberId, memberId, generation }, part);
    return problems;
  }

  /** A classic member in a consumer group that has given it 0 and 1 at epoch 3, and a member of the other protocol. */
  function consumerGroup(): void {
    fold(heartbeatOf("c"));
    fold(joinOf("a", CLASSIC));
    const { createdSeq } = groups.group;
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
    expect(groups.classic.generationId).toBe(3);
    expect(tell("a", 3, 0, 1)).toEqual([]);
    fold(rejoinOf("a", CLASSIC));
    expect(groups.classic.generationId).toBe(4);
    expect(tell("a", 4, 0, 1)).toEqual(["checkOneOwner: a is told 0,1, which nobody gave it in 4"]);
  });

  test("is never what the consumer group has given to another member", () => {
    consumerGroup();
    fold(joinOf("b", CLASSIC));
    expect(groups.consumerMember("b").memberEpoch).toBe(3);
    expect(tell("b", 3, 0, 1)).toEqual(["checkOneOwner: b is told 0,1, which nobody gave it in 3"]);
  });
});
