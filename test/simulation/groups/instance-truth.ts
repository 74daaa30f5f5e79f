import { type ConsumerInstance, findInstance } from "#lib/coordinator/consumer-instance.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import type { GroupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import type { AdvanceInstanceCommand } from "#lib/coordinator/instance-command.ts";
import type { FoldContext } from "#lib/journal/state-machine.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import { TOPIC_ID } from "./group-names.ts";

/** What the journal says of consumer instances: every delivery, and that none passes a record over. */
export class InstanceTruth {
  readonly problems: string[] = [];
  /** How far each partition has been delivered. */
  readonly delivered = new Map<number, number>();
  deliveryCount = 0;
  expiryCount = 0;
  readonly #elapsedMs: () => number;
  readonly #recordAtMs = new Map<JournalSeq, number>();
  readonly #seen = new Set<string>();

  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  /** The machine under a watch that looks at each command when the first process folds it: the one that appended it. */
  watching(machine: GroupStateMachine): GroupStateMachine {
    return { ...machine, fold: (state, command, context) => this.#fold(machine, { state, command, context }) };
  }

  #fold(
    machine: GroupStateMachine,
    at: { readonly state: GroupJournalState; readonly command: GroupCommand; readonly context: FoldContext },
  ): GroupOutcome {
    const { state, command, context } = at;
    const key = `${context.seq} ${context.indexInRecord}`;
    const isFirst = !this.#seen.has(key);
    this.#seen.add(key);
    if (!this.#recordAtMs.has(context.seq)) this.#recordAtMs.set(context.seq, this.#elapsedMs());
    const instance =
      isFirst && "instanceId" in command && command.kind !== "consumer-heartbeat"
        ? findInstance(state, command)
        : undefined;
    const before = instance === undefined ? undefined : this.#before(state, instance);
    const outcome = machine.fold(state, command, context);
    if (before === undefined || outcome.kind !== "done") return outcome;
    if (command.kind === "advance-instance") this.#noteAdvance(command, before.from);
    if (command.kind === "expire-instance") this.#noteExpiry(command.instanceId, before);
    return outcome;
  }

  /** Where it is: at its positions, else at what its group has committed, else at the beginning. */
  #before(state: GroupJournalState, { groupId, positions, seenSeq, config }: ConsumerInstance) {
    const from = new Map<number, number>();
    for (const [partition, { offset }] of state.groups.get(groupId)?.offsets.get(TOPIC_ID) ?? [])
      from.set(partition, offset);
    for (const [partition, offset] of positions.get(TOPIC_ID) ?? []) from.set(partition, offset);
    return { from, seenSeq, timeoutMs: config.timeoutMs };
  }

  #noteAdvance(command: AdvanceInstanceCommand, before: ReadonlyMap<number, number>): void {
    for (const { partitionIndex: partition, offset: to } of command.positions) {
      const reached = this.delivered.get(partition) ?? 0;
      const from = before.get(partition) ?? 0;
      if (command.delivers && to <= from) {
        this.problems.push(`checkPositions: ${command.instanceId} delivers ${partition} from ${from} to ${to}`);
      }
      const begin = command.delivers ? from : to;
      if (begin > reached)
        this.problems.push(
          `checkNoLoss: ${command.instanceId} begins ${partition} at ${begin}, and ${reached} is next`,
        );
      if (command.delivers) this.delivered.set(partition, Math.max(reached, to));
    }
    if (command.delivers) this.deliveryCount++;
  }

  #noteExpiry(instanceId: string, before: { readonly seenSeq: JournalSeq; readonly timeoutMs: number }): void {
    this.expiryCount++;
    // No clock that measures the time-out may run before the last sign of life has come to stand.
    const aliveMs = this.#elapsedMs() - (this.#recordAtMs.get(before.seenSeq) ?? 0);
    if (aliveMs < before.timeoutMs - 1) {
      this.problems.push(`checkSession: ${instanceId} expired ${aliveMs.toFixed(0)} ms after its last sign of life`);
    }
  }
}
