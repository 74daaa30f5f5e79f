/**
 * Who waits for which group to change: JoinGroups until their round is over, SyncGroups until the leader has spoken. What
 * they wait for is read from the folded state, so it does not matter which process brings it about.
 */
export class GroupWaiters {
  readonly #byGroup = new Map<string, Set<() => void>>();
  /** Groups that have changed since their waiters were asked. */
  #changed = new Set<string>();

  get count(): number {
    let count = 0;
    for (const waiters of this.#byGroup.values()) count += waiters.size;
    return count;
  }

  /**
   * Asks at once, and again after each change of the group, until there is an answer. Rejects with the signal's reason if
   * it aborts first.
   */
  until<T>(groupId: string, ask: () => T | undefined, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        leave();
        reject(signal.reason);
      };
      const look = () => {
        try {
          const answer = ask();
          if (answer === undefined) return;
          leave();
          resolve(answer);
        } catch (error) {
          leave();
          reject(error);
        }
      };
      const leave = () => {
        signal.removeEventListener("abort", onAbort);
        this.#remove(groupId, look);
      };
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      this.#add(groupId, look);
      look();
    });
  }

  /** Asks the group's waiters once for all commands of a record, as soon as all of them are folded. */
  changed(groupId: string): void {
    if (!this.#byGroup.has(groupId)) return;
    if (this.#changed.size === 0) void Promise.resolve().then(() => this.#askChanged());
    this.#changed.add(groupId);
  }

  /** A state was loaded anew, and nobody knows what changed. */
  touchAll(): void {
    for (const groupId of [...this.#byGroup.keys()]) this.#touch(groupId);
  }

  #askChanged(): void {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const groupId of changed) this.#touch(groupId);
  }

  #touch(groupId: string): void {
    const waiters = this.#byGroup.get(groupId);
    if (waiters === undefined) return;
    for (const look of waiters) look();
  }

  #add(groupId: string, look: () => void): void {
    const waiters = this.#byGroup.get(groupId);
    if (waiters === undefined) this.#byGroup.set(groupId, new Set([look]));
    else waiters.add(look);
  }

  #remove(groupId: string, look: () => void): void {
    const waiters = this.#byGroup.get(groupId);
    if (waiters?.delete(look) && waiters.size === 0) this.#byGroup.delete(groupId);
  }
}
