import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { JournalId } from "#lib/util/branded.ts";
import { classicExpiries, type Expiry } from "../classic-expiries.ts";
import { consumerExpiries } from "../consumer-expiries.ts";
import type { GroupJournal, GroupJournals } from "../group-journals.ts";
import { instanceExpiries } from "../instance-expiries.ts";
import type { GroupTopics } from "./group-topics.ts";
import { GroupWatch, type WatchedMember } from "./group-watch.ts";

export interface GroupWatchesOptions {
  readonly journals: GroupJournals;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether other processes may write to the journals too. */
  readonly isShared: boolean;
  readonly topics: Pick<GroupTopics, "groupInteger" | "catchUp">;
  /** Ends what is under way when the process stops. */
  readonly signal: AbortSignal;
}

const LANE = "expiry";

/**
 * Observes every group of the journals that this process has opened, and expires what is overdue. Any number of processes
 * may: expiries name what was seen.
 */
export class GroupWatches implements Disposable {
  readonly #options: GroupWatchesOptions;
  readonly #watches = new Map<string, GroupWatch>();
  readonly #observed = new Set<JournalId>();
  /** Groups that have changed since they were looked at, with their journals. */
  #changed = new Map<string, GroupJournal>();
  #isFlushing = false;
  #isClosed = false;
  readonly #stopListening: readonly (() => void)[];

  constructor(options: GroupWatchesOptions) {
    this.#options = options;
    this.#stopListening = [
      options.journals.onFold((journal, command) => {
        if (command.kind !== "drop-topic") this.#note(command.groupId, journal);
      }),
      options.journals.onReload((journal) => this.#noteAll(journal)),
    ];
  }

  get count(): number {
    return this.#watches.size;
  }

  /** Begins with a journal that has been opened: its folds so far were told to nobody. */
  observe(journal: GroupJournal): void {
    if (this.#observed.has(journal.id)) return;
    this.#observed.add(journal.id);
    this.#noteAll(journal);
  }

  /** A member has sent something to this process, or was answered by it. */
  heard(groupId: string, memberId: string): void {
    this.#watches.get(groupId)?.heard(memberId);
  }

  /** Expires what is overdue by now, and resolves when that is done. */
  async expireOverdue(): Promise<void> {
    this.#flush();
    await Promise.all([...this.#watches.values()].map((watch) => watch.expireOverdue()));
  }

  /** Whether the journal is to show a member alive that is heard from now. To be asked before `heard` is told. */
  mustShow(groupId: string, member: WatchedMember): boolean {
    return this.#watches.get(groupId)?.mustShow(member) ?? false;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const stop of this.#stopListening) stop();
    for (const watch of this.#watches.values()) watch.close();
    this.#watches.clear();
  }

  #noteAll(journal: GroupJournal): void {
    for (const groupId of journal.state.groups.keys()) this.#note(groupId, journal);
    for (const groupId of journal.state.instances.keys()) this.#note(groupId, journal);
  }

  /** One look for all commands of a record, at the end of the turn. */
  #note(groupId: string, journal: GroupJournal): void {
    this.#changed.set(groupId, journal);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    void Promise.resolve().then(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushing = false;
    if (this.#isClosed) return;
    const changed = this.#changed;
    this.#changed = new Map();
    for (const [groupId, journal] of changed) {
      (this.#watches.get(groupId) ?? this.#watch(groupId, journal)).changed();
    }
  }

  #watch(groupId: string, journal: GroupJournal): GroupWatch {
    const { clock, logger, isShared, topics, signal } = this.#options;
    const sessionTimeoutMs = () => topics.groupInteger(groupId, "consumer.session.timeout.ms");
    const watch: GroupWatch = new GroupWatch({
      clock,
      expiries: () => expiriesOf(groupId, journal, sessionTimeoutMs),
      catchUp: async () => {
        // The group may have been given more time by a process that its members do talk to.
        if (isShared) await Promise.all([journal.catchUp(signal), topics.catchUp(signal)]);
        watch.refresh();
      },
      expire: async ({ command }) => {
        const { outcome } = await journal.propose(command, { lane: LANE, signal });
        if (outcome.kind === "done") logger.debug("a group's time is over", { group: groupId, what: command.kind });
      },
      idle: () => {
        watch.close();
        this.#watches.delete(groupId);
      },
      failed: (error) => {
        if (!signal.aborted) logger.warn("cannot expire", { group: groupId, error: describeError(error) });
      },
    });
    this.#watches.set(groupId, watch);
    return watch;
  }
}

function expiriesOf(groupId: string, journal: GroupJournal, sessionTimeoutMs: () => number): readonly Expiry[] {
  const instances = journal.state.instances.get(groupId);
  const ofInstances = instances === undefined ? [] : instanceExpiries(instances.values());
  const membership = journal.state.groups.get(groupId)?.membership;
  if (membership === undefined) return ofInstances;
  const ofMembers =
    membership.type === "consumer"
      ? consumerExpiries(groupId, membership, sessionTimeoutMs(), instances)
      : classicExpiries(groupId, membership);
  return ofInstances.length === 0 ? ofMembers : [...ofMembers, ...ofInstances];
}
