import { downgradeGroup } from "./consumer-conversion.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { forgetMembers, mustDowngrade } from "./consumer-members.ts";
import { type GroupScope, noteChange, noteStateChange } from "./group-scope.ts";

/** Raises the group epoch: a new target is to be computed. */
export function raiseGroupEpoch(group: ConsumerGroup, scope: GroupScope): void {
  group.groupEpoch++;
  noteChange(scope);
}

/** Members are gone, by their own wish or not. If only classic ones are left the group is classic again, if it may. */
export function removeConsumerMembers(group: ConsumerGroup, memberIds: Iterable<string>, scope: GroupScope): void {
  forgetMembers(group, memberIds);
  if (mustDowngrade(group)) {
    downgradeGroup(group, scope);
    return;
  }
  raiseGroupEpoch(group, scope);
  if (group.members.size === 0) noteStateChange(scope);
}
