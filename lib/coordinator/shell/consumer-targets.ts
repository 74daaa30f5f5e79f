import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import type { ConsumerHeartbeatCommand } from "../consumer-command.ts";
import { type ForeseenTarget, foreseenTarget } from "../consumer-foresight.ts";
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
  /** Groups of which a foreseen target is on its way. */
  readonly #foreseen = new Set<string>();

  constructor(access: GroupAccess) {
    this.#access = access;
  }

  /**
   * Proposes what is due. `followUp` is called in the turn in which a target is proposed, each time there is one, so that
   * what it proposes rides in the same record and already finds the new target.
   */
  async settle(
    journal: GroupJournal,
    groupId: string,
    options: { readonly signal: AbortSignal; readonly followUp?: () => Promise<void> },
  ): Promise<void> {
    this.#access.topics.freshen();
    for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
      const due = this.#due(journal, groupId);
      if (due === undefined) return;
      const proposed = this.#access.propose(due, options.signal);
      if (due.kind === "metadata-changed") await proposed;
      else await Promise.all([proposed, options.followUp?.()]);
    }
  }

  /**
   * What is to be proposed together with the heartbeat of a newcomer: the target that its joining calls for. One at a time
   * of each group; undefined if there is more to be done, or something else. To be disposed of when it is folded.
   */
  foresee(journal: GroupJournal, command: ConsumerHeartbeatCommand): (ForeseenTarget & Disposable) | undefined {
    const { groupId } = command;
    const group = journal.state.groups.get(groupId);
    if (group === undefined || this.#foreseen.has(groupId)) return undefined;
    const { topics } = this.#access;
    const assignors = topics.brokerList("group.consumer.assignors");
    const foreseen = foreseenTarget(group, command, { view: topics.view(), regexes: this.#regexes, assignors });
    if (foreseen === undefined) return undefined;
    this.#foreseen.add(groupId);
    return { ...foreseen, [Symbol.dispose]: () => this.#foreseen.delete(groupId) };
  }

  #due(journal: GroupJournal, groupId: string) {
    const group = journal.state.groups.get(groupId);
    if (group?.membership.type !== "consumer") return undefined;
    const { topics } = this.#access;
    const view = topics.view();
    const { groupEpoch, assignmentEpoch } = group.membership;
    const seen = `${view.clusterSeq} ${group.changedSeq} ${groupEpoch} ${assignmentEpoch}`;
    if (this.#settledAs.get(group) === seen) return undefined;
    const assignors = topics.brokerList("group.consumer.assignors");
    const due = dueProposal(group, { view, regexes: this.#regexes, assignors });
    if (due === undefined) this.#settledAs.set(group, seen);
    return due;
  }
}
