import fc from "fast-check";
import { expect, test } from "vitest";
import type { ConsumerGroup } from "#lib/coordinator/consumer-group.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupState } from "#lib/coordinator/group-state.ts";
import { classicCommands, consumerCommands } from "./arbitrary-group-command.ts";
import { checkConsumerGroup, PastEpochs } from "./consumer-checks.ts";
import { encodedOutcome, encodedState, FoldedGroups, reloaded } from "./group-fixtures.ts";

// Any commands at all, of both protocols, most of them put right so that they are for the group as it stands.

interface Step {
  readonly command: GroupCommand;
  readonly putRight: boolean;
  readonly reload: boolean;
  readonly pick: number;
}

const histories: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    command: fc.oneof({ weight: 2, arbitrary: classicCommands }, { weight: 5, arbitrary: consumerCommands }),
    putRight: fc.integer({ min: 0, max: 4 }).map((one) => one > 0),
    reload: fc.integer({ min: 0, max: 3 }).map((one) => one === 0),
    pick: fc.nat(20),
  }),
  { minLength: 1, maxLength: 100, size: "max" },
);

function putRight(groups: FoldedGroups, { command, pick }: Step): GroupCommand {
  if (command.kind === "drop-topic") return command;
  const group = groups.state.groups.get(command.groupId);
  if (group === undefined) return command;
  const { membership } = group;
  if (membership.type === "consumer") return forConsumers(command, { group, consumer: membership, pick });
  if (command.kind !== "consumer-heartbeat") return command;
  // A classic group with members takes one of the consumer protocol as well.
  const members = [...membership.members.keys()].map((memberId) => ({
    memberId,
    subscription: { topicNames: ["pay"], owned: undefined, rackId: undefined },
    assigned: command.owned ?? new Map(),
  }));
  return { ...command, memberEpoch: 0, upgrade: { changedSeq: group.changedSeq, members } };
}

function forConsumers(
  command: GroupCommand,
  at: { readonly group: GroupState; readonly consumer: ConsumerGroup; readonly pick: number },
): GroupCommand {
  const { group, consumer, pick } = at;
  const members = [...consumer.members.values()];
  const member = members[pick % Math.max(1, members.length)];
  const { createdSeq } = group;
  const { groupEpoch, metadataSeq: clusterSeq } = consumer;
  switch (command.kind) {
    case "set-target-assignment": {
      const target = command.target.map((each, index) => {
        return { ...each, memberId: members[(pick + index) % members.length]?.memberId ?? each.memberId };
      });
      return { ...command, createdSeq, groupEpoch, target };
    }
    case "metadata-changed":
      return { ...command, createdSeq, groupEpoch, clusterSeq: clusterSeq + 1 };
    case "join": {
      const fits = { ...command, protocolType: "consumer", groupSizeMax: 100 };
      if (member === undefined || pick < 3) return fits;
      const { memberId, instanceId: groupInstanceId, subscribedTopicNames: topicNames, assigned } = member;
      const subscription = { topicNames, owned: pick < 15 ? assigned : undefined, rackId: undefined };
      // Not all of them may turn to the classic protocol, or the group does as well.
      if (member.classic === undefined && pick > 6) return { ...fits, memberId: "n", subscription };
      return { ...fits, memberId, groupInstanceId, isNewMemberId: false, subscription };
    }
    case "consumer-heartbeat": {
      if (member === undefined || pick < 5) return command;
      const { memberId, memberEpoch, instanceId, assigned, classic } = member;
      if (classic !== undefined) return command.memberEpoch === 0 ? command : { ...command, memberEpoch: 1 };
      const owned = pick < 12 ? assigned : command.owned;
      const silent = { subscribedTopicNames: undefined, subscribedTopicRegex: undefined };
      return { ...command, memberId, memberEpoch, instanceId, owned, ...silent };
    }
    case "leave":
      return { ...command, members: pick < 3 ? command.members : [] };
    case "heartbeat":
    case "sync":
      if (member === undefined) return command;
      return { ...command, memberId: member.memberId, generationId: member.memberEpoch };
    case "expire-member":
      if (member === undefined) return command;
      return { ...command, memberId: member.memberId, seenSeq: pick < 2 ? member.seenSeq : command.seenSeq };
    case "expire-rebalance":
      if (member === undefined) return command;
      return { ...command, memberId: member.memberId, memberEpoch: member.memberEpoch };
    default:
      return command;
  }
}

test("a consumer group is consistent whatever happens, and its epochs only rise", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(histories, (steps) => {
      const groups = new FoldedGroups();
      const past = new PastEpochs();
      for (const step of steps) {
        groups.fold(step.putRight ? putRight(groups, step) : step.command);
        for (const group of groups.state.groups.values()) {
          past.check(group);
          if (group.membership.type !== "consumer") continue;
          checkConsumerGroup(group.membership);
          for (const { state, classic } of group.membership.members.values()) {
            const name = `${state} ${classic === undefined ? "consumer" : "classic"}`;
            seen.set(name, (seen.get(name) ?? 0) + 1);
          }
        }
      }
    }),
    { numRuns: 300, seed: 8 },
  );
  // The histories get everywhere.
  expect(seen.size).toBe(6);
  for (const count of seen.values()) expect(count).toBeGreaterThan(20);
});

test("a consumer group read back from its snapshot folds on alike and encodes to the same bytes", () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const straight = new FoldedGroups();
      const resumed = new FoldedGroups();
      for (const step of steps) {
        const command = step.putRight ? putRight(straight, step) : step.command;
        const outcome = encodedOutcome(straight.fold(command));
        expect(encodedOutcome(resumed.fold(command))).toEqual(outcome);
        if (step.reload) resumed.state = reloaded(resumed.state);
      }
      expect(encodedState(resumed.state)).toEqual(encodedState(straight.state));
      expect(reloaded(straight.state)).toEqual(straight.state);
    }),
    { numRuns: 200, seed: 9 },
  );
});
