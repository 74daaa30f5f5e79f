import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { unreachable } from "#lib/util/assert.ts";
import {
  type ConsumerInstance,
  findInstance,
  heldPartitions,
  holderOf,
  isSubscribed,
  keepPositionsOf,
  setPosition,
} from "./consumer-instance.ts";
import { commitInstance, leaveGroup } from "./fold-instance-members.ts";
import type { GroupOutcome } from "./group-outcome.ts";
import { DONE, MOVED, refused } from "./group-scope.ts";
import type { GroupJournalState } from "./group-state.ts";
import type {
  AdvanceInstanceCommand,
  CreateInstanceCommand,
  InstanceCommand,
  InstancePosition,
  SeekInstanceCommand,
  SubscribeInstanceCommand,
} from "./instance-command.ts";

/** What one command on an instance works on. */
interface InstanceScope {
  readonly state: GroupJournalState;
  readonly instance: ConsumerInstance;
  readonly context: FoldContext;
}

export function foldInstanceCommand(
  state: GroupJournalState,
  command: InstanceCommand,
  context: FoldContext,
): GroupOutcome {
  if (command.kind === "create-instance") return foldCreate(state, command, context);
  const instance = findInstance(state, command);
  if (instance === undefined) return command.kind === "expire-instance" ? MOVED : refused(ErrorCode.UNKNOWN_MEMBER_ID);
  const scope = { state, instance, context };
  switch (command.kind) {
    case "subscribe-instance":
      return foldSubscribe(command, scope);
    case "seek-instance":
      return foldSeek(command, scope);
    case "advance-instance":
      return foldAdvance(command, scope);
    case "touch-instance":
      instance.seenSeq = context.seq;
      return DONE;
    case "delete-instance":
      commitDelivered(scope);
      remove(scope);
      return DONE;
    case "expire-instance":
      if (instance.seenSeq !== command.seenSeq) return MOVED;
      remove(scope);
      return DONE;
    default:
      return unreachable(command);
  }
}

function foldCreate(state: GroupJournalState, command: CreateInstanceCommand, context: FoldContext): GroupOutcome {
  const { groupId, instanceId, config } = command;
  const ofGroup = state.instances.get(groupId) ?? new Map<string, ConsumerInstance>();
  if (ofGroup.has(instanceId)) return refused(ErrorCode.DUPLICATE_RESOURCE);
  ofGroup.set(instanceId, {
    groupId,
    instanceId,
    config,
    createdAtMs: context.proposedAtMs,
    createdSeq: context.seq,
    subscription: { kind: "none" },
    positions: new Map(),
    deliveries: 0,
    hasUncommitted: false,
    version: 0,
    seenSeq: context.seq,
  });
  state.instances.set(groupId, ofGroup);
  return DONE;
}

function remove({ state, instance, context }: InstanceScope): void {
  const { groupId, instanceId } = instance;
  leaveGroup(state, instance, context);
  const ofGroup = state.instances.get(groupId);
  ofGroup?.delete(instanceId);
  if (ofGroup?.size === 0) state.instances.delete(groupId);
}

function foldSubscribe(command: SubscribeInstanceCommand, scope: InstanceScope): GroupOutcome {
  const { state, instance, context } = scope;
  const { subscription: standing } = instance;
  const { subscription: next } = command;
  if (next.kind !== "none" && standing.kind !== "none" && next.kind !== standing.kind) return MOVED;
  if (next.kind === "partitions" && command.clusterSeq < state.lastDropSeq) return { kind: "stale-view" };
  if (next.kind === "none") {
    commitDelivered(scope);
    leaveGroup(state, instance, context);
  }
  instance.subscription = next;
  // A new list of topics takes partitions away by the group's way, not here.
  if (!isSubscribed(instance)) keepPositionsOf(instance, heldPartitions(state, instance));
  noteChange(scope);
  return DONE;
}

function foldSeek(command: SeekInstanceCommand, scope: InstanceScope): GroupOutcome {
  if (command.clusterSeq < scope.state.lastDropSeq) return { kind: "stale-view" };
  if (!holdsAll(command.positions, scope)) return MOVED;
  setPositions(command.positions, scope);
  noteChange(scope);
  return DONE;
}

function foldAdvance(command: AdvanceInstanceCommand, scope: InstanceScope): GroupOutcome {
  const { state, instance, context } = scope;
  const { positions } = command;
  if (instance.createdSeq !== command.createdSeq || instance.version !== command.version) return MOVED;
  if (positions.length > 0 && command.clusterSeq < state.lastDropSeq) return { kind: "stale-view" };
  if (!holdsAll(positions, scope)) return MOVED;
  if (command.commits) {
    const error = commitInstance(state, instance, context);
    if (error !== ErrorCode.NONE) return refused(error);
  }
  setPositions(positions, scope);
  if (command.delivers) {
    instance.deliveries++;
    instance.hasUncommitted = true;
  }
  noteChange(scope);
  return DONE;
}

function holdsAll(positions: readonly InstancePosition[], { state, instance }: InstanceScope): boolean {
  const isHeld = holderOf(heldPartitions(state, instance));
  return positions.every(({ topicId, partitionIndex }) => isHeld(topicId, partitionIndex));
}

function setPositions(positions: readonly InstancePosition[], { instance }: InstanceScope): void {
  for (const { topicId, partitionIndex, offset } of positions) setPosition(instance, topicId, [partitionIndex, offset]);
}

/** What it does when its client says that it is through: nothing if it may not. */
function commitDelivered({ state, instance, context }: InstanceScope): void {
  if (instance.config.autoCommit && instance.hasUncommitted) commitInstance(state, instance, context);
}

function noteChange({ instance, context }: InstanceScope): void {
  instance.version++;
  instance.seenSeq = context.seq;
}
