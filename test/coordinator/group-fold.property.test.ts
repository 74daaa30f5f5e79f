import fc from "fast-check";
import { expect, test } from "vitest";
import { type ClassicGroup, isAwaitingJoin } from "#lib/coordinator/classic-group.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupState } from "#lib/coordinator/group-state.ts";
import { classicCommands, consumerCommands } from "./arbitrary-group-command.ts";
import { encodedOutcome, encodedState, FoldedGroups, recoded, reloaded } from "./group-fixtures.ts";

/**
 * Random commands know no rounds, generations or sequence numbers. Some of those drawn are put right before they are
 * folded, so that histories get somewhere; the others try what is out of date.
 */
interface Step {
  readonly command: GroupCommand;
  readonly putRight: boolean;
  readonly reload: boolean;
}

const histories: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    command: fc.oneof({ weight: 5, arbitrary: classicCommands }, { weight: 1, arbitrary: consumerCommands }),
    putRight: fc.integer({ min: 0, max: 3 }).map((one) => one > 0),
    reload: fc.integer({ min: 0, max: 3 }).map((one) => one === 0),
  }),
  // Else most histories are too short to see a stable group.
  { minLength: 1, maxLength: 80, size: "max" },
);

function putRight(groups: FoldedGroups, command: GroupCommand): GroupCommand {
  if (command.kind === "drop-topic") return command;
  const group = groups.state.groups.get(command.groupId);
  const membership = group?.membership;
  if (group === undefined || membership?.type !== "classic") return command;
  const { generationId, round, leaderId } = membership;
  switch (command.kind) {
    case "join": {
      // Whoever the round waits for comes back.
      const missing = [...membership.members.values()].find((member) => !isAwaitingJoin(membership, member));
      if (membership.state !== "PreparingRebalance" || missing === undefined) return command;
      return { ...command, ...missing, isNewMemberId: false, groupSizeMax: 100, protocolType: membership.protocolType };
    }
    case "sync":
      return {
        ...command,
        generationId,
        memberId: leaderId ?? "",
        groupInstanceId: undefined,
        protocolName: undefined,
      };
    case "complete-join":
      return { ...command, round };
    case "expire-sync":
      return { ...command, round, generationId };
    case "heartbeat":
      return { ...command, generationId, groupInstanceId: undefined };
    case "expire-member":
      return { ...command, seenSeq: membership.members.get(command.memberId)?.seenSeq ?? command.seenSeq };
    case "expire-offsets":
      return { ...command, changedSeq: group.changedSeq };
    case "delete-offsets":
      return { ...command, changedSeq: group.changedSeq };
    case "commit-offsets":
      return {
        ...command,
        memberId: leaderId ?? "",
        groupInstanceId: undefined,
        generationIdOrMemberEpoch: generationId,
      };
    default:
      return command;
  }
}

function checkClassic(group: ClassicGroup): void {
  const { state, members, leaderId, protocolName, pendingMembers } = group;
  if (state === "Empty") {
    expect(members.size).toBe(0);
    expect(leaderId).toBeUndefined();
  }
  if (state === "CompletingRebalance" || state === "Stable") {
    expect(members.has(leaderId ?? "")).toBe(true);
    for (const { protocols } of members.values()) {
      expect(protocols.some(({ name }) => name === protocolName)).toBe(true);
    }
  }
  if (state === "PreparingRebalance" && group.initialDelayMs === 0 && pendingMembers.size === 0 && members.size > 0) {
    // A round that has all its members is over.
    expect([...members.values()].every((member) => isAwaitingJoin(group, member))).toBe(false);
  }
  const instances = [...members.values()].flatMap(({ groupInstanceId, memberId }) =>
    groupInstanceId === undefined ? [] : [[groupInstanceId, memberId] as const],
  );
  expect(new Map(instances)).toEqual(group.staticMembers);
  expect(instances).toHaveLength(group.staticMembers.size);
  for (const [memberId, member] of members) {
    expect(member.memberId).toBe(memberId);
    expect(member.joinedRound).toBeLessThanOrEqual(group.round);
    expect(pendingMembers.has(memberId)).toBe(false);
  }
}

/** What no history may take back: by group as it was created. */
class Past {
  readonly #generations = new Map<string, number>();
  readonly #assignments = new Map<string, string>();

  check(group: GroupState): void {
    const { membership } = group;
    if (membership.type !== "classic") return;
    const { generationId, round, state } = membership;
    const name = `${group.groupId} ${group.createdSeq}`;
    // An emptied group may change its protocol to and fro, and then its numbers begin anew.
    if (round === 0) return;
    expect(generationId).toBeGreaterThanOrEqual(this.#generations.get(name) ?? 0);
    this.#generations.set(name, generationId);
    if (state !== "Stable") return;
    for (const { memberId, assignment } of membership.members.values()) {
      const key = `${name} ${generationId} ${memberId}`;
      const hex = Buffer.from(assignment).toString("hex");
      expect(hex).toBe(this.#assignments.get(key) ?? hex);
      this.#assignments.set(key, hex);
    }
  }
}

test("a group is consistent, its generations only rise, and what a generation assigns stands", () => {
  let stableCount = 0;
  fc.assert(
    fc.property(histories, (steps) => {
      const groups = new FoldedGroups();
      const past = new Past();
      for (const step of steps) {
        groups.fold(step.putRight ? putRight(groups, step.command) : step.command);
        for (const group of groups.state.groups.values()) {
          if (group.membership.type === "classic") checkClassic(group.membership);
          if (group.membership.type === "classic" && group.membership.state === "Stable") stableCount++;
          past.check(group);
        }
      }
    }),
    { numRuns: 300, seed: 5 },
  );
  // The histories do get somewhere.
  expect(stableCount).toBeGreaterThan(1_000);
});

test("a state read back from its snapshot folds on alike and encodes to the same bytes", () => {
  fc.assert(
    fc.property(histories, (steps) => {
      const straight = new FoldedGroups();
      const resumed = new FoldedGroups();
      for (const step of steps) {
        const command = step.putRight ? putRight(straight, step.command) : step.command;
        const outcome = encodedOutcome(straight.fold(command));
        expect(encodedOutcome(resumed.fold(command))).toEqual(outcome);
        if (step.reload) resumed.state = reloaded(resumed.state);
      }
      expect(encodedState(resumed.state)).toEqual(encodedState(straight.state));
      expect(reloaded(straight.state)).toEqual(straight.state);
    }),
    { numRuns: 200, seed: 6 },
  );
});

test("commands come out of the journal as they went in", () => {
  fc.assert(
    fc.property(fc.oneof(classicCommands, consumerCommands), (command) => {
      expect(plainOf(recoded(command))).toEqual(plainOf(command));
    }),
    { numRuns: 2_000, seed: 7 },
  );
});

/** Byte arrays come back as views: the same bytes in another class. */
function plainOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, plainOf(each)]));
  if (Array.isArray(value)) return value.map(plainOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plainOf(each)]));
}
