import { abortable } from "#lib/runtime/deadline.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import type { ConsumerGroup } from "../consumer-group.ts";
import { dueProposal } from "../consumer-target.ts";
import type { GroupJournal } from "../group-journals.ts";
import type { GroupState } from "../group-state.ts";
import { TopicRegexes } from "../topic-regex.ts";
import type { GroupAccess } from "./group-access.ts";

/**
 * Keeps the target assignments of consumer groups up to date: whoever hears of a group looks whether its topics or its
 * members have changed since the last target was computed, and proposes what is due. The fold takes the first.
 */
export class ConsumerTargets {
  readonly #access: GroupAccess;
  readonly #regexes = new TopicRegexes();
  /** As what a group was last found to need nothing. */
  readonly #settledAs = new WeakMap<GroupState, string>();
  /** What is under way for a group, and as what the group was found to need it. */
  readonly #underWay = new WeakMap<GroupState, { readonly seen: string; readonly proposed: Promise<unknown> }>();

  constructor(access: GroupAccess) {
    this.#access = access;
  }

  /**
   * Proposes what is due, unless another call does so already: a target of many members is not computed by each of them.
   * `followUp` is called behind the proposal of a target, in the same turn or later, each time there is one: what it
   * proposes rides in the same record, or the next, and already finds the new target.
   */
  async settle(
    journal: GroupJournal,
    groupId: string,
    options: { readonly signal: AbortSignal; readonly followUp?: () => Promise<void> },
  ): Promise<void> {
    const { signal, followUp } = options;
    this.#access.topics.freshen();
    for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
      const group = journal.state.groups.get(groupId);
      if (group?.membership.type !== "consumer") return;
      const seen = this.#seenAs(group, group.membership);
      const standing = this.#underWay.get(group);
      if (standing?.seen === seen) {
        // If it fails, for its caller has gone, the next attempt is our own.
        await Promise.all([abortable(standing.proposed, signal).catch(() => signal.throwIfAborted()), followUp?.()]);
        continue;
      }
      const due = this.#due(group, seen);
      if (due === undefined) return;
      const proposed = this.#access.propose(due, signal);
      if (due.kind === "metadata-changed") await proposed;
      else await Promise.all([this.#share(group, seen, proposed), followUp?.()]);
    }
  }

  async #share(group: GroupState, seen: string, proposed: Promise<unknown>): Promise<void> {
    const own = { seen, proposed };
    this.#underWay.set(group, own);
    try {
      await proposed;
    } finally {
      if (this.#underWay.get(group) === own) this.#underWay.delete(group);
    }
  }

  #seenAs({ changedSeq }: GroupState, { groupEpoch, assignmentEpoch }: ConsumerGroup): string {
    return `${this.#access.topics.view().clusterSeq} ${changedSeq} ${groupEpoch} ${assignmentEpoch}`;
  }

  #due(group: GroupState, seen: string) {
    if (this.#settledAs.get(group) === seen) return undefined;
    const { topics } = this.#access;
    const assignors = topics.brokerList("group.consumer.assignors");
    const due = dueProposal(group, { view: topics.view(), regexes: this.#regexes, assignors });
    if (due === undefined) this.#settledAs.set(group, seen);
    return due;
  }
}
