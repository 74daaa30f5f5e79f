import { describe, expect, test } from "vitest";
import { type ConsumerMember, newConsumerGroup } from "#lib/coordinator/consumer-group.ts";
import { newConsumerMember, setMember } from "#lib/coordinator/consumer-members.ts";
import { reconciled } from "#lib/coordinator/consumer-reconciliation.ts";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import { partitions } from "./consumer-fixtures.ts";

const NOTHING: Assignment = new Map();

/** A group at epoch 5 with member `a`, at epoch 4 unless said otherwise, and `b`, which holds partition 9 of topic 1. */
function groupWith(target: Assignment, fields: Partial<ConsumerMember>) {
  const group = newConsumerGroup();
  group.groupEpoch = 5;
  group.assignmentEpoch = 5;
  const member = newConsumerMember("a");
  setMember(group, member, { memberEpoch: 4, previousMemberEpoch: 3, ...fields });
  setMember(group, newConsumerMember("b"), { memberEpoch: 5, assigned: partitions({ 1: [9] }) });
  group.targetAssignment.set("a", target);
  return { group, member, next: (owned: Assignment | undefined) => reconciled(group, member, owned) };
}

describe("a stable member", () => {
  test("at the target's epoch stays as it is, whatever the target says", () => {
    const { next } = groupWith(partitions({ 1: [1] }), { memberEpoch: 5, assigned: partitions({ 1: [0] }) });
    expect(next(NOTHING)).toBeUndefined();
  });

  test("gets all at once that it is to own and nobody holds", () => {
    const { next } = groupWith(partitions({ 1: [0, 1], 2: [0] }), { assigned: partitions({ 1: [0] }) });
    expect(next(undefined)).toEqual({
      memberEpoch: 5,
      state: "Stable",
      assigned: partitions({ 1: [0, 1], 2: [0] }),
      pendingRevocation: NOTHING,
    });
  });

  test("keeps its epoch while it is to give up partitions, and gets no new ones", () => {
    const { next } = groupWith(partitions({ 1: [1, 2] }), { assigned: partitions({ 1: [0, 1], 2: [3] }) });
    const revoking = {
      memberEpoch: 4,
      state: "UnrevokedPartitions",
      assigned: partitions({ 1: [1] }),
      pendingRevocation: partitions({ 1: [0], 2: [3] }),
    };
    expect(next(undefined)).toEqual(revoking);
    expect(next(partitions({ 1: [0, 1] }))).toEqual(revoking);
  });

  test("goes on at once if it says that it does not own them anyway", () => {
    const { next } = groupWith(partitions({ 1: [1, 2] }), { assigned: partitions({ 1: [0, 1] }) });
    expect(next(partitions({ 1: [1] }))).toMatchObject({
      memberEpoch: 5,
      state: "Stable",
      assigned: partitions({ 1: [1, 2] }),
    });
  });

  test("gets what is free and waits for what another one holds", () => {
    const { next } = groupWith(partitions({ 1: [0, 9] }), {});
    expect(next(NOTHING)).toEqual({
      memberEpoch: 5,
      state: "UnreleasedPartitions",
      assigned: partitions({ 1: [0] }),
      pendingRevocation: NOTHING,
    });
  });

  test("that has no part in the target gives up everything", () => {
    const { group, next } = groupWith(NOTHING, { assigned: partitions({ 1: [0] }) });
    group.targetAssignment.delete("a");
    expect(next(undefined)).toMatchObject({ assigned: NOTHING, pendingRevocation: partitions({ 1: [0] }) });
  });
});

test("a member that joins owns nothing, also if it does not say so", () => {
  const { next } = groupWith(partitions({ 1: [1] }), { memberEpoch: 0, assigned: partitions({ 1: [0] }) });
  expect(next(undefined)).toMatchObject({ memberEpoch: 5, state: "Stable", assigned: partitions({ 1: [1] }) });
});

describe("a member with partitions to give up", () => {
  const revoking = {
    state: "UnrevokedPartitions",
    assigned: partitions({ 1: [1] }),
    pendingRevocation: partitions({ 1: [0] }),
  } as const;

  test("stays so until it says that it owns none of them", () => {
    const { next } = groupWith(partitions({ 1: [1, 2] }), revoking);
    expect(next(undefined)).toBeUndefined();
    expect(next(partitions({ 1: [0] }))).toBeUndefined();
    expect(next(partitions({ 1: [1], 2: [0] }))).toEqual({
      memberEpoch: 5,
      state: "Stable",
      assigned: partitions({ 1: [1, 2] }),
      pendingRevocation: NOTHING,
    });
  });

  test("may be given back what it has just given up", () => {
    const { next } = groupWith(partitions({ 1: [0, 1] }), revoking);
    expect(next(partitions({ 1: [1] }))).toMatchObject({ state: "Stable", assigned: partitions({ 1: [0, 1] }) });
  });

  test("may have to give up more by then, still at its epoch", () => {
    const { next } = groupWith(partitions({ 1: [2] }), revoking);
    expect(next(partitions({ 1: [1] }))).toEqual({
      memberEpoch: 4,
      state: "UnrevokedPartitions",
      assigned: NOTHING,
      pendingRevocation: partitions({ 1: [1] }),
    });
  });

  test("holds them for all others until then", () => {
    const { group } = groupWith(partitions({ 1: [1] }), revoking);
    const other = newConsumerMember("c");
    setMember(group, other, { memberEpoch: 4 });
    group.targetAssignment.set("c", partitions({ 1: [0] }));
    expect(reconciled(group, other, NOTHING)).toMatchObject({ state: "UnreleasedPartitions", assigned: NOTHING });
  });
});

describe("a member that waits for partitions", () => {
  const waiting = { memberEpoch: 5, state: "UnreleasedPartitions", assigned: partitions({ 1: [0] }) } as const;

  test("stays so while another one holds them, and gets them when they are free", () => {
    const { group, next } = groupWith(partitions({ 1: [0, 9] }), waiting);
    expect(next(undefined)).toBeUndefined();
    const other = group.members.get("b");
    if (other !== undefined) setMember(group, other, { assigned: NOTHING });
    expect(next(undefined)).toMatchObject({ state: "Stable", assigned: partitions({ 1: [0, 9] }) });
  });

  test("gives up its own if the target has changed meanwhile", () => {
    const { group, next } = groupWith(partitions({ 1: [9] }), waiting);
    group.groupEpoch = 6;
    group.assignmentEpoch = 6;
    expect(next(undefined)).toMatchObject({ memberEpoch: 5, state: "UnrevokedPartitions", assigned: NOTHING });
  });
});

describe("a target that is older than a member's subscription", () => {
  test("leaves a member as it is, and gives nothing to one that has just joined", () => {
    const target = partitions({ 1: [1] });
    const old = groupWith(target, { subscriptionEpoch: 6, assigned: partitions({ 1: [0] }) });
    expect(old.next(NOTHING)).toBeUndefined();
    const joined = groupWith(target, { subscriptionEpoch: 6, memberEpoch: 0 });
    expect(joined.next(undefined)).toMatchObject({ memberEpoch: 5, state: "Stable", assigned: NOTHING });
  });
});
