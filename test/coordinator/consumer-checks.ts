import { expect } from "vitest";
import { sizeOf } from "#lib/coordinator/assignment-sets.ts";
import type { ConsumerGroup } from "#lib/coordinator/consumer-group.ts";
import { mustDowngrade, subscribedRegexes } from "#lib/coordinator/consumer-members.ts";
import type { GroupState } from "#lib/coordinator/group-state.ts";

/** What holds of every consumer group after every command. */
export function checkConsumerGroup(group: ConsumerGroup): void {
  const owners = new Map<string, string>();
  for (const member of group.members.values()) {
    const { memberId, memberEpoch, state, assigned, pendingRevocation } = member;
    for (const held of [assigned, pendingRevocation]) {
      for (const [topicId, list] of held) {
        expect(list.length).toBeGreaterThan(0);
        for (const partition of list) {
          const key = `${topicId} ${partition}`;
          expect(owners.get(key)).toBeUndefined();
          owners.set(key, memberId);
          const holder = group.holders.get(topicId)?.get(partition);
          expect(holder?.memberId).toBe(memberId);
          expect(holder?.sinceEpoch).toBeGreaterThanOrEqual(0);
          expect(holder?.sinceEpoch).toBeLessThanOrEqual(memberEpoch === -2 ? group.assignmentEpoch : memberEpoch);
        }
      }
    }
    expect(memberEpoch === -2 || memberEpoch >= 1).toBe(true);
    expect(memberEpoch).toBeLessThanOrEqual(group.assignmentEpoch);
    expect(member.subscriptionEpoch).toBeLessThanOrEqual(group.groupEpoch);
    expect(pendingRevocation.size > 0).toBe(state === "UnrevokedPartitions");
  }
  const indexed = [...group.holders.values()].reduce((sum, holders) => sum + holders.size, 0);
  expect(indexed).toBe(owners.size);
  expect(group.assignmentEpoch).toBeLessThanOrEqual(group.groupEpoch);
  expect(mustDowngrade(group)).toBe(false);
  for (const [memberId, target] of group.targetAssignment) {
    expect(group.members.has(memberId)).toBe(true);
    expect(sizeOf(target)).toBeGreaterThan(0);
  }
  const used = subscribedRegexes(group);
  for (const regex of group.resolvedRegexes.keys()) expect(used.has(regex)).toBe(true);
}

/** Epochs that may not go back, by group as it was created. */
export class PastEpochs {
  readonly #epochs = new Map<string, number>();

  check({ groupId, createdSeq, membership }: GroupState): void {
    if (membership.type !== "consumer") return;
    const name = `${groupId} ${createdSeq}`;
    this.#rise(`${name} group`, membership.groupEpoch);
    this.#rise(`${name} assignment`, membership.assignmentEpoch);
    for (const { memberId, memberEpoch } of membership.members.values()) {
      if (memberEpoch > 0) this.#rise(`${name} member ${memberId}`, memberEpoch);
    }
  }

  #rise(name: string, epoch: number): void {
    expect(epoch).toBeGreaterThanOrEqual(this.#epochs.get(name) ?? 0);
    this.#epochs.set(name, epoch);
  }
}
