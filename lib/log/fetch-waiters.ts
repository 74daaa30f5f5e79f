import type { TopicId } from "#lib/util/branded.ts";
import type { LogCommand } from "./log-command.ts";
import { partitionKey } from "./log-state.ts";

/** Somebody who waits for partitions to change. */
export interface FetchWaiter {
  /** Called in the turn of the fold. May leave, itself or others. */
  touched(key: string): void;
}

/** Who waits for which partition, by `partitionKey`. A waiter is one object, however many partitions it waits for. */
export class FetchWaiters {
  readonly #byPartition = new Map<string, Set<FetchWaiter>>();

  get partitionCount(): number {
    return this.#byPartition.size;
  }

  add(key: string, waiter: FetchWaiter): void {
    const waiters = this.#byPartition.get(key);
    if (waiters === undefined) this.#byPartition.set(key, new Set([waiter]));
    else waiters.add(waiter);
  }

  remove(key: string, waiter: FetchWaiter): void {
    const waiters = this.#byPartition.get(key);
    if (waiters?.delete(waiter) && waiters.size === 0) this.#byPartition.delete(key);
  }

  /** Tells those whose partitions a fold of `command` may have changed. */
  folded(command: LogCommand): void {
    if (this.#byPartition.size === 0) return;
    switch (command.kind) {
      case "append":
        for (const part of command.parts) this.#touch(partitionKey(part.topicId, part.partitionIndex));
        return;
      case "advance-log-start":
      case "declare-lost":
        this.#touch(partitionKey(command.topicId, command.partitionIndex));
        return;
      case "drop":
        this.#touchTopic(command.topicId);
        return;
      // An open partition is as empty as one that is not open yet; replicas and leaders are no reader's concern.
      case "open":
      case "place-replicas":
      case "add-replicas":
      case "elect":
      case "alter-isr":
      // The same records elsewhere, or nothing of them.
      case "replace":
      case "gather":
      case "retire":
      case "expire-producers":
      case "note-cleaning":
        return;
    }
  }

  /** Tells everybody: a state was loaded anew, and nobody knows what changed. */
  touchAll(): void {
    for (const key of [...this.#byPartition.keys()]) this.#touch(key);
  }

  #touch(key: string): void {
    const waiters = this.#byPartition.get(key);
    if (waiters === undefined) return;
    for (const waiter of waiters) waiter.touched(key);
  }

  #touchTopic(topicId: TopicId): void {
    for (const key of [...this.#byPartition.keys()]) {
      if (key.startsWith(partitionKey(topicId, 0).slice(0, -1))) this.#touch(key);
    }
  }
}
