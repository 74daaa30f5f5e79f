import type { ClassicGroup } from "#lib/coordinator/classic-group.ts";
import type { ConsumerGroup } from "#lib/coordinator/consumer-group.ts";
import { isFixpoint } from "../invariants.ts";
import { partitionsIn } from "./classic-client.ts";
import type { GroupClient } from "./group-client.ts";
import { TOPIC_ID } from "./group-names.ts";
import type { GroupWorld } from "./group-world.ts";
import type { SimGroup } from "./sim-group.ts";

type Problems = readonly string[];

/** The processes agree with the truth and among themselves, and their states survive a snapshot. */
export function checkStates({ processes, truth, groups }: GroupWorld): Problems {
  const problems: string[] = groups.flatMap((group) => group.truth.checkOffsets());
  for (const { host, journal, machine } of processes) {
    if (journal === undefined) continue;
    if (truth.checksumAt(journal.seq) !== journal.checksum) {
      problems.push(`checkChecksum: ${host.name} differs at ${journal.seq}`);
    }
    if (!isFixpoint(machine, journal.state)) {
      problems.push(`checkFixpoint: ${host.name}: the state at ${journal.seq} does not survive its snapshot`);
    }
  }
  return problems;
}

/** Every member that lives is in its group with what it is to have, nobody else is, and together they own everything. */
export function checkSettled(world: GroupWorld): Problems {
  return world.groups.flatMap((group) => {
    if (group.isSimple) return [];
    return problemsOf(group, world.partitionCount).map((problem) => `checkProgress: ${group.groupId}: ${problem}`);
  });
}

function problemsOf({ truth, owners, profile }: SimGroup, partitionCount: number): Problems {
  const { clients } = owners;
  // Those that died have successors first.
  if (clients.length !== profile.memberCount) return [`${clients.length} clients live`];
  if (clients.some(({ isAstray }) => isAstray)) return ["clients sleep"];
  const membership = truth.group?.membership;
  if (membership === undefined) return ["there is no group"];
  if (membership.members.size !== clients.length) {
    return [`${membership.members.size} members for ${clients.length} that live`];
  }
  const problems = clients.flatMap((client) =>
    membership.type === "classic" ? classicProblems(client, membership) : consumerProblems(client, membership),
  );
  const owned = clients.flatMap((client) => client.owned).sort((a, b) => a - b);
  const isComplete = owned.length === partitionCount && owned.every((partition, index) => partition === index);
  return isComplete ? problems : [...problems, `of ${partitionCount} partitions these are owned: ${owned}`];
}

/** Nothing goes wrong, so nobody comes, goes or is expelled: no generation and no group epoch begins. */
export function checkCalm({ groups }: GroupWorld, before: readonly number[]): Problems {
  return groups.flatMap(({ groupId, isSimple, truth: { generation } }, index) =>
    isSimple || generation === before[index]
      ? []
      : [`checkCalm: ${groupId}: ${generation} follows on ${before[index]} although nothing went wrong`],
  );
}

function classicProblems(client: GroupClient, group: ClassicGroup): Problems {
  const { name, memberId, generation, owned, isSettled } = client;
  const member = group.members.get(memberId);
  if (!isSettled || member === undefined) return [`${name} is not in the group`];
  if (group.state !== "Stable" || generation !== group.generationId) {
    return [`${name} is at ${generation}, the group at ${group.generationId} and ${group.state}`];
  }
  const expected = partitionsIn(member.assignment);
  return `${expected}` === `${owned}` ? [] : [`${name} owns ${owned} and is to own ${expected}`];
}

function consumerProblems(client: GroupClient, group: ConsumerGroup): Problems {
  const { name, memberId, generation, owned, isSettled } = client;
  const member = group.members.get(memberId);
  if (!isSettled || member === undefined) return [`${name} is not in the group`];
  if (member.state !== "Stable" || generation !== group.groupEpoch || group.assignmentEpoch !== group.groupEpoch) {
    return [`${name} is at ${generation} and ${member.state}, the group at ${group.groupEpoch}`];
  }
  const expected = member.assigned.get(TOPIC_ID) ?? [];
  return `${expected}` === `${owned}` ? [] : [`${name} owns ${owned} and is to own ${expected}`];
}
