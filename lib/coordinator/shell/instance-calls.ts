import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import { GROUP_INSTANCES_MAX } from "#lib/util/limits.ts";
import {
  type ConsumerInstance,
  findInstance,
  type InstanceConfig,
  type InstanceSubscription,
  instanceMember,
  isSubscribed,
} from "../consumer-instance.ts";
import type { GroupOutcome } from "../group-outcome.ts";
import type { GroupJournalState } from "../group-state.ts";
import { GROUP_FEATURE_LEVEL } from "../group-state-machine.ts";
import type { InstanceCommand, InstancePosition } from "../instance-command.ts";
import { instanceExpiryKey } from "../instance-expiries.ts";
import type { ConsumerCalls } from "./consumer-calls.ts";
import type { RequestFault } from "./consumer-request-check.ts";
import type { GroupAccess } from "./group-access.ts";
import { type BeatOptions, InstanceMembership, isChangeDue } from "./instance-membership.ts";
import { type InstanceView, viewOf } from "./instance-view.ts";

export interface InstanceName {
  readonly groupId: string;
  readonly instanceId: string;
}

/** `moved` and `stale-view` as outcomes have them. */
export type InstanceResult = "done" | "moved" | "stale-view" | ErrorCode;

/** What an instance commits by itself: as whom. */
export interface Committer {
  readonly memberId: string;
  readonly generationIdOrMemberEpoch: number;
}

/** Consumer instances as the HTTP door sees them. */
export class InstanceCalls {
  readonly #access: GroupAccess;
  readonly #membership: InstanceMembership;
  readonly #instancesMax: number;

  /** `instancesMax` bounds those of one journal. */
  constructor(access: GroupAccess, consumers: ConsumerCalls, instancesMax = GROUP_INSTANCES_MAX) {
    this.#access = access;
    this.#membership = new InstanceMembership(consumers);
    this.#instancesMax = instancesMax;
  }

  /** DUPLICATE_RESOURCE if there is one of that name; POLICY_VIOLATION if there are too many. */
  create(who: InstanceName, config: InstanceConfig, signal: AbortSignal): Promise<ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const journal = await this.#access.journalOf(who.groupId, limited);
      // By an old view there may be more than there are.
      if (this.#isFull(journal.state)) await journal.readBarrier(limited);
      if (this.#isFull(journal.state)) return ErrorCode.POLICY_VIOLATION;
      await journal.raiseFeatureLevel(GROUP_FEATURE_LEVEL, limited);
      const outcome = await this.#access.propose({ kind: "create-instance", ...who, config }, limited);
      this.#access.watches.heard(who.groupId, who.instanceId);
      return outcome.kind === "refused" ? outcome.error : ErrorCode.NONE;
    });
  }

  /**
   * The instance as of a strong read that began after this call; UNKNOWN_MEMBER_ID if there is none. A sign of life, which
   * the journal is to show now and then: every call on an instance begins with it. Its member hears what it is to give up,
   * so that its time for that begins: a client that calls and never polls must not hold up its group for good.
   */
  view(who: InstanceName, signal: AbortSignal): Promise<InstanceView | ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const journal = await this.#access.journalOf(who.groupId, limited);
      await journal.readBarrier(limited);
      const found = findInstance(journal.state, who);
      if (found !== undefined) {
        await this.#touch(found, limited);
        await this.#membership.hear(journal, who, limited);
      }
      const instance = findInstance(journal.state, who);
      return instance === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : viewOf(journal.state, instance);
    });
  }

  /** The same as folded so far, for who has just proposed something. */
  viewNow(who: InstanceName, signal: AbortSignal): Promise<InstanceView | ErrorCode> {
    return this.#access.limited(signal, async (limited) => {
      const { state } = await this.#access.journalOf(who.groupId, limited);
      const instance = findInstance(state, who);
      return instance === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : viewOf(state, instance);
    });
  }

  subscribe(
    who: InstanceName,
    to: { readonly subscription: InstanceSubscription; readonly clusterSeq: JournalSeq },
    signal: AbortSignal,
  ): Promise<InstanceResult> {
    return this.#propose({ kind: "subscribe-instance", ...who, ...to }, signal);
  }

  seek(
    who: InstanceName,
    to: { readonly positions: readonly InstancePosition[]; readonly clusterSeq: JournalSeq },
    signal: AbortSignal,
  ): Promise<InstanceResult> {
    return this.#propose({ kind: "seek-instance", ...who, ...to }, signal);
  }

  /** Moves on from what the view shows, if nobody else has. */
  advance(
    { groupId, instanceId, createdSeq, version }: InstanceView,
    to: {
      readonly commits: boolean;
      readonly delivers: boolean;
      readonly positions: readonly InstancePosition[];
      readonly clusterSeq: JournalSeq;
    },
    signal: AbortSignal,
  ): Promise<InstanceResult> {
    return this.#propose({ kind: "advance-instance", groupId, instanceId, createdSeq, version, ...to }, signal);
  }

  delete(who: InstanceName, signal: AbortSignal): Promise<InstanceResult> {
    return this.#access.limited(signal, async (limited) => {
      const journal = await this.#access.journalOf(who.groupId, limited);
      // A journal without instances may be of level 1, and must not see the command.
      if (findInstance(journal.state, who) === undefined) await journal.readBarrier(limited);
      if (findInstance(journal.state, who) === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      return resultOf(await this.#access.propose({ kind: "delete-instance", ...who }, limited));
    });
  }

  /** Lets a subscribed instance's member say that it is there. Undefined, or why it may not be a member. */
  async beat(who: InstanceName, options: BeatOptions, signal: AbortSignal): Promise<RequestFault | undefined> {
    const journal = await this.#access.journalOf(who.groupId, signal);
    return this.#membership.beat(journal, who, options, signal);
  }

  /**
   * Resolves when the view does not hold any more, or its member may do something about its partitions (`givesUp` as for
   * `beat`). Rejects if aborted.
   */
  async untilChanged(view: InstanceView, givesUp: { readonly deliveries: number }, signal: AbortSignal): Promise<void> {
    const journal = await this.#access.journalOf(view.groupId, signal);
    const isOver = (): boolean => {
      const instance = findInstance(journal.state, view);
      if (instance === undefined || hasChanged(instance, view)) return true;
      return instance.deliveries === givesUp.deliveries && isChangeDue(journal.state, instance);
    };
    await this.#access.until(journal, view.groupId, () => isOver() || undefined, signal);
  }

  /** As whom the instance commits, as folded so far. */
  async committer(who: InstanceName, signal: AbortSignal): Promise<Committer> {
    const { state } = await this.#access.journalOf(who.groupId, signal);
    const instance = findInstance(state, who);
    const member = instance === undefined || !isSubscribed(instance) ? undefined : instanceMember(state, instance);
    if (member === undefined) return { memberId: "", generationIdOrMemberEpoch: -1 };
    return { memberId: member.memberId, generationIdOrMemberEpoch: member.memberEpoch };
  }

  #isFull({ instances }: GroupJournalState): boolean {
    let count = 0;
    for (const ofGroup of instances.values()) count += ofGroup.size;
    return count >= this.#instancesMax;
  }

  async #touch(instance: ConsumerInstance, signal: AbortSignal): Promise<void> {
    const { groupId, instanceId, config } = instance;
    const { watches } = this.#access;
    const key = instanceExpiryKey(instance);
    if (watches.mustShow(groupId, { memberId: instanceId, key, sessionTimeoutMs: config.timeoutMs })) {
      await this.#access.propose({ kind: "touch-instance", groupId, instanceId }, signal);
    }
    watches.heard(groupId, instanceId);
  }

  #propose(command: InstanceCommand, signal: AbortSignal): Promise<InstanceResult> {
    return this.#access.limited(signal, async (limited) => {
      const outcome = await this.#access.propose(command, limited);
      this.#access.watches.heard(command.groupId, command.instanceId);
      return resultOf(outcome);
    });
  }
}

function hasChanged(instance: ConsumerInstance, view: InstanceView): boolean {
  return instance.createdSeq !== view.createdSeq || instance.version !== view.version;
}

function resultOf(outcome: GroupOutcome): InstanceResult {
  if (outcome.kind === "refused") return outcome.error;
  if (outcome.kind === "moved" || outcome.kind === "stale-view") return outcome.kind;
  return "done";
}
