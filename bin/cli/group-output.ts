import type { GroupDescription, ListedGroup } from "./group-admin.ts";
import type { PartitionLag } from "./group-lag.ts";
import type { PlannedReset } from "./offset-reset.ts";
import { formatDuration, formatTable } from "./table.ts";

const orDash = (value: string | number | null): string | number => (value === null || value === "" ? "-" : value);

export function formatGroups(groups: readonly ListedGroup[]): string {
  return formatTable(
    ["group", "type", "state", "protocol"],
    groups.map(({ group, type, state, protocol }) => [group, orDash(type), orDash(state), orDash(protocol)]),
  );
}

/** The line above a group's table. */
export function formatHead({ group, type, state, protocol, assignor, members }: GroupDescription): string {
  const facts = [`type=${type}`, `state=${state}`, `protocol=${orDash(protocol)}`, `assignor=${orDash(assignor)}`];
  return `${group}  ${facts.join("  ")}  members=${members.length}\n`;
}

export function formatLags(lags: readonly PartitionLag[]): string {
  if (lags.length === 0) return "nothing committed, nothing assigned\n";
  const header = ["topic", "partition", "committed", "end", "lag", "lag-seconds", "retention-left"];
  const rows = lags.map((each) => [
    each.topic,
    each.partition,
    orDash(each.committedOffset),
    orDash(each.logEndOffset),
    orDash(each.lagRecords),
    each.lagSeconds === null ? "-" : Math.round(each.lagSeconds * 10) / 10,
    each.retentionSecondsLeft === null ? "-" : formatDuration(each.retentionSecondsLeft),
    orDash(each.owner?.memberId ?? null),
    orDash(each.owner?.host ?? null),
    orDash(each.owner?.clientId ?? null),
  ]);
  return `${formatTable([...header, "member", "host", "client"], rows)}${lags.map(lossOf).join("")}`;
}

/** Tells of records that are gone before the group has read them, and of offsets that the log does not reach. */
function lossOf({ topic, partition, committedOffset, logStartOffset, logEndOffset }: PartitionLag): string {
  if (committedOffset === null || logStartOffset === null || logEndOffset === null) return "";
  if (committedOffset < logStartOffset) {
    return `note: ${topic}-${partition} begins at ${logStartOffset}: what was before it is gone unread\n`;
  }
  return committedOffset > logEndOffset ? `note: ${topic}-${partition} has not reached the committed offset yet\n` : "";
}

export function formatMembers({ members }: GroupDescription): string {
  if (members.length === 0) return "no members\n";
  return formatTable(
    ["member", "instance", "host", "client", "partitions", "assignment"],
    members.map(({ memberId, instanceId, host, clientId, assignments }) => [
      memberId,
      orDash(instanceId),
      orDash(host),
      orDash(clientId),
      assignments === null ? "-" : assignments.reduce((sum, { partitions }) => sum + partitions.length, 0),
      orDash((assignments ?? []).map(({ topic, partitions }) => `${topic}:${sorted(partitions).join(",")}`).join(" ")),
    ]),
  );
}

const sorted = (numbers: readonly number[]): readonly number[] => [...numbers].sort((a, b) => a - b);

export function formatPlan(planned: readonly PlannedReset[]): string {
  return formatTable(
    ["topic", "partition", "old", "new", "note"],
    planned.map(({ topic, partition, from, to, note }) => [topic, partition, orDash(from), to, note]),
  );
}
