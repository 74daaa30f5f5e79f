import fc from "fast-check";
import { expect, test } from "vitest";
import { type ConsumerInstance, heldPartitions } from "#lib/coordinator/consumer-instance.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import { classicCommands, consumerCommands } from "./arbitrary-group-command.ts";
import { instanceCommands } from "./arbitrary-instance-command.ts";
import { encodedOutcome, encodedState, FoldedGroups, recoded, reloaded } from "./group-fixtures.ts";

const commands = fc.oneof(
  { weight: 6, arbitrary: instanceCommands },
  { weight: 4, arbitrary: consumerCommands },
  { weight: 1, arbitrary: classicCommands },
);
const putRight = fc.integer({ min: 0, max: 3 }).map((one) => one > 0);
const histories = fc.array(fc.record({ command: commands, reload: fc.boolean(), putRight }), {
  minLength: 1,
  maxLength: 80,
  size: "max",
});

/** Most commands name what is there, so that histories get somewhere. */
function corrected({ state }: FoldedGroups, command: GroupCommand): GroupCommand {
  if (command.kind === "set-target-assignment" || command.kind === "consumer-heartbeat") {
    const group = state.groups.get(command.groupId);
    if (group?.membership.type !== "consumer") return command;
    if (command.kind === "set-target-assignment") {
      return { ...command, createdSeq: group.createdSeq, groupEpoch: group.membership.groupEpoch };
    }
    const member = group.membership.members.get(command.memberId);
    return member === undefined ? command : { ...command, memberEpoch: member.memberEpoch, instanceId: undefined };
  }
  if (command.kind !== "advance-instance" && command.kind !== "seek-instance") return command;
  const instance = state.instances.get(command.groupId)?.get(command.instanceId);
  if (instance === undefined) return command;
  const held = [...heldPartitions(state, instance)];
  const positions = held.map(([topicId, [partitionIndex = 0]], at) => ({ topicId, partitionIndex, offset: at }));
  const { createdSeq, version } = instance;
  if (command.kind === "seek-instance") return { ...command, positions, clusterSeq: 8 };
  return { ...command, positions, createdSeq, version, clusterSeq: 8 };
}

function checkInstance(state: GroupJournalState, instance: ConsumerInstance): void {
  const held = heldPartitions(state, instance);
  const { subscription, positions, createdSeq, seenSeq } = instance;
  expect(seenSeq).toBeGreaterThanOrEqual(createdSeq);
  if (subscription.kind === "none") expect(positions.size).toBe(0);
  for (const [topicId, offsets] of positions) {
    expect(offsets.size).toBeGreaterThan(0);
    const isMember = subscription.kind === "partitions" || held.size > 0;
    // A member that others have expelled keeps them until it joins again, and can do nothing with them.
    if (isMember) expect(held.get(topicId)).toEqual(expect.arrayContaining([...offsets.keys()]));
  }
}

test("instances have positions of what they hold alone, and fold on alike from their snapshots", () => {
  let positionCount = 0;
  fc.assert(
    fc.property(histories, (steps) => {
      const straight = new FoldedGroups();
      const resumed = new FoldedGroups();
      for (const step of steps) {
        const command = step.putRight ? corrected(straight, step.command) : step.command;
        const outcome = encodedOutcome(straight.fold(command));
        expect(encodedOutcome(resumed.fold(command))).toEqual(outcome);
        if (step.reload) resumed.state = reloaded(resumed.state);
        for (const instances of straight.state.instances.values()) {
          expect(instances.size).toBeGreaterThan(0);
          for (const instance of instances.values()) {
            checkInstance(straight.state, instance);
            positionCount += instance.positions.size;
          }
        }
      }
      expect(encodedState(resumed.state)).toEqual(encodedState(straight.state));
      expect(reloaded(straight.state)).toEqual(straight.state);
    }),
    { numRuns: 200, seed: 11 },
  );
  // The histories do get somewhere.
  expect(positionCount).toBeGreaterThan(400);
});

test("commands on instances come out of the journal as they went in", () => {
  fc.assert(
    fc.property(instanceCommands, (command) => {
      expect(recoded(command)).toEqual(command);
    }),
    { numRuns: 500, seed: 12 },
  );
});
