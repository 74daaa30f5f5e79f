import type { ClassicGroup } from "#lib/coordinator/classic-group.ts";
import type { ConsumerGroup } from "#lib/coordinator/consumer-group.ts";
import { isFixpoint } from "../invariants.ts";
import { decodeAssigned } from "./classic-client.ts";
import type { GroupClient } from "./group-client.ts";
import { TOPIC_ID } from "./group-names.ts";
import type { GroupWorld } from "./group-world.ts";

type Problems = readonly string[];

/** The processes agree with the truth and among themselves, and their states survive a snapshot. */
export function checkStates({ processes, truth }: GroupWorld): Problems {
  const problems: string[] = [];
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

/** Every member that lives is in the group with what it is to have, nobody else is, and together they own everything. */
export function checkSettled({ truth, owners, partitionCount, profile }: GroupWorld): Problems {
  const { clients } = owners;
  // Those that died have successors first.
  if (clients.length !== profile.memberCount) return [`checkProgress: ${clients.length} clients live`];
  if (clients.some(({ isAstray }) => isAstray)) return ["checkProgress: clients sleep"];
  const membership = truth.group?.membership;
  if (membership === undefined) return ["checkProgress: there is no group"];
  if (membership.members.size !== clients.length) {
    return [`checkProgress: ${membership.members.size} members for ${clients.length} that live`];
  }
  const problems = clients.flatMap((client) =>
    membership.type === "classic" ? classicProblems(client, membership) : consumerProblems(client, membership),
  );
  const owned = clients.flatMap((client) => client.owned).sort((a, b) => a - b);
  const isComplete = owned.length === partitionCount && owned.every((partition, index) => partition === index);
  return isComplete
    ? problems
    : [...problems, `checkProgress: of ${partitionCount} partitions these are owned: ${owned}`];
}

/** Nothing goes wrong, so nobody comes, goes or is expelled: no generation and no group epoch begins. */
export function checkCalm({ truth }: GroupWorld, before: number): Problems {
  const { generation } = truth;
  return generation === before ? [] : [`checkCalm: ${generation} follows on ${before} although nothing went wrong`];
}

function classicProblems(client: GroupClient, group: ClassicGroup): Problems {
  const { name, memberId, generation, owned, isSettled } = client;
  const member = group.members.get(memberId);
  if (!isSettled || member === undefined) return [`checkProgress: ${name} is not in the group`];
  if (group.state !== "Stable" || generation !== group.generationId) {
    return [`checkProgress: ${name} is at ${generation}, the group at ${group.generationId} and ${group.state}`];
  }
  const expected = decodeAssigned(member.assignment)?.partitions ?? [];
  return `${expected}` === `${owned}` ? [] : [`checkProgress: ${name} owns ${owned} and is to own ${expected}`];
}

function consumerProblems(client: GroupClient, group: ConsumerGroup): Problems {
  const { name, memberId, generation, owned, isSettled } = client;
  const member = group.members.get(memberId);
  if (!isSettled || member === undefined) return [`checkProgress: ${name} is not in the group`];
  if (member.state !== "Stable" || generation !== group.groupEpoch || group.assignmentEpoch !== group.groupEpoch) {
    return [`checkProgress: ${name} is at ${generation} and ${member.state}, the group at ${group.groupEpoch}`];
  }
  const expected = member.assigned.get(TOPIC_ID) ?? [];
  return `${expected}` === `${owned}` ? [] : [`checkProgress: ${name} owns ${owned} and is to own ${expected}`];
}
