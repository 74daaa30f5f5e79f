/**
 * Who waits for which group to change: JoinGroups until their round is over, SyncGroups until the leader has spoken. What
 * they wait for is read from the folded state, so it does not matter which process brings it about.
 */
export class GroupWaiters {
  readonly #byGroup = new Map<string, Set<() => void>>();

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

  touch(groupId: string): void {
    const waiters = this.#byGroup.get(groupId);
    if (waiters === undefined) return;
    for (const look of waiters) look();
  }

  /** A state was loaded anew, and nobody knows what changed. */
  touchAll(): void {
    for (const groupId of [...this.#byGroup.keys()]) this.touch(groupId);
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
