import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { InstancePosition } from "#lib/coordinator/instance-command.ts";
import type { InstanceResult } from "#lib/coordinator/shell/instance-calls.ts";
import type { InstanceView, ViewedPartition } from "#lib/coordinator/shell/instance-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";
import type { JournalSeq, TopicId } from "#lib/util/branded.ts";
import { INSTANCE_POLL_ATTEMPTS_MAX, INSTANCE_POLL_CHANGES_MAX } from "#lib/util/limits.ts";
import { type HttpPrincipal, requireAccess, topicResource } from "../access.ts";
import { httpErrorOf } from "../error-table.ts";
import { HttpError } from "../http-error.ts";
import { type FetchedDelivery, fetchDelivery } from "./fetch-delivery.ts";
import { type InstanceCall, instanceError, movedOn } from "./find-instance.ts";
import { clusterSeqOf } from "./instance-partitions.ts";
import { isGone, type PlacedPartition, resetPositions } from "./reset-positions.ts";

export interface PollOptions {
  readonly bytesMax: number;
  readonly waitMs: number;
}

/**
 * One poll of an instance: records from its positions on, which have moved behind them when this resolves. No two polls get
 * the same ones, for the positions move in the journal from the version that the poll has read, or not at all.
 *
 *   heartbeat, give up what is to be given up --> begin where there is no position --> fetch --> advance --> answer
 *       ^                                                                               |           |
 *       `------------------- something has changed, or nothing there yet ---------------+-----------'
 *
 * With auto-commit it commits what the polls before it have delivered, in the same record as it advances if it can: whoever
 * polls is through with that. What another poll delivers meanwhile is not touched.
 */
export class InstancePoll {
  readonly #call: InstanceCall;
  readonly #options: PollOptions;
  readonly #deadlineMs: number;
  readonly #createdSeq: JournalSeq;
  /** What the client had got when it called. */
  readonly #deliveries: number;
  /** Partitions of topics that are gone. */
  readonly #gone = new Set<TopicId>();
  /** Partitions of which nobody can say now where to begin, and why. */
  readonly #unready = new Set<string>();
  #failure: ErrorCode = ErrorCode.NONE;
  #canCommit = true;

  constructor(view: InstanceView, options: PollOptions, call: InstanceCall) {
    this.#call = call;
    this.#options = options;
    this.#createdSeq = view.createdSeq;
    this.#deliveries = view.deliveries;
    this.#deadlineMs = call.runtime.broker.clock.monotonicMs() + options.waitMs;
  }

  /** The records as JSON texts; none if none have come within the time. */
  async run(): Promise<readonly string[]> {
    let changes = 0;
    for (let moved = 0; moved < INSTANCE_POLL_ATTEMPTS_MAX; ) {
      const view = await this.#settle();
      const placed = await this.#place(view);
      const begun = await this.#begin(view, placed);
      if (begun !== "done") {
        moved++;
        continue;
      }
      const found = await this.#fetch(view, placed);
      if (found === "changed") {
        // A group that does not come to rest is for the next poll.
        if (++changes > INSTANCE_POLL_CHANGES_MAX) return [];
        continue;
      }
      // What came after the key had gone is not for its holder.
      await this.#call.principal.requireValid?.();
      const { texts, positions } = found.delivery;
      if (positions.length > 0) {
        const result = await this.#advance(found.view, positions, texts.length > 0);
        if (result === "done" && texts.length > 0) return texts;
        if (result !== "done") moved++;
        continue;
      }
      if (await this.#commit()) continue;
      if (this.#failure !== ErrorCode.NONE) throw httpErrorOf(this.#failure);
      if (found.isOver) return [];
    }
    throw movedOn();
  }

  get #who() {
    const { group: groupId, instance: instanceId } = this.#call.params;
    return { groupId, instanceId };
  }

  get #instances() {
    return this.#call.runtime.broker.groups.instances;
  }

  async #viewNow(): Promise<InstanceView> {
    const view = await this.#instances.viewNow(this.#who, this.#call.signal);
    if (typeof view === "number") throw instanceError(view, this.#call.params);
    // One that was made anew under the name is its new client's.
    if (view.createdSeq !== this.#createdSeq) throw instanceError(ErrorCode.UNKNOWN_MEMBER_ID, this.#call.params);
    return view;
  }

  /** Lets the member come to what it is to own; what the client is through with is committed before it goes. */
  async #settle(): Promise<InstanceView> {
    const beforeChange = async () => {
      await this.#commit();
    };
    const givesUp = { deliveries: this.#deliveries };
    const fault = await this.#instances.beat(this.#who, { givesUp, beforeChange }, this.#call.signal);
    if (fault !== undefined) throw instanceError(fault.error, this.#call.params, fault.message);
    return this.#viewNow();
  }

  /** The view's partitions with their topics. Those of topics that are gone are left out. */
  async #place(view: InstanceView): Promise<readonly PlacedPartition[]> {
    const { runtime, principal, signal } = this.#call;
    const { cluster } = runtime.broker;
    const isUnknown = ({ topicId }: { readonly topicId: TopicId }) =>
      !this.#gone.has(topicId) && cluster.topic(topicId) === undefined;
    if (view.partitions.some(isUnknown)) await cluster.refresh(signal);
    const topics = new Map<TopicId, TopicView | undefined>();
    for (const topicId of view.assigned.keys()) {
      const topic = cluster.topic(topicId);
      topics.set(topicId, topic);
      if (topic === undefined) this.#gone.add(topicId);
      else requireReading(principal, topic.name);
    }
    const placed = view.partitions.flatMap((partition): readonly PlacedPartition[] => {
      const topic = topics.get(partition.topicId);
      const isLeftOut = this.#gone.has(partition.topicId) || this.#unready.has(keyOf(partition));
      return topic === undefined || isLeftOut ? [] : [{ ...partition, topic }];
    });
    // Whoever came last in an answer that was full comes first before long. Versions would not do: a client that commits
    // after each poll raises them by two, and of two partitions one would never come first.
    const first = placed.length === 0 ? 0 : view.deliveries % placed.length;
    return [...placed.slice(first), ...placed.slice(0, first)];
  }

  /**
   * Sees to it that every partition has a position that stands in the journal: `latest` means the end as it was when the
   * instance first looked.
   */
  async #begin(view: InstanceView, placed: readonly PlacedPartition[]): Promise<InstanceResult> {
    const missing = placed.filter(({ hasPosition }) => !hasPosition);
    if (missing.length === 0) return "done";
    const known = missing.flatMap(({ topicId, partitionIndex, offset }) =>
      offset === undefined ? [] : [{ topicId, partitionIndex, offset }],
    );
    const lost = missing.filter(({ offset }) => offset === undefined);
    const { positions: reset, failed } = await resetPositions(lost, view.config, this.#call);
    for (const [partition, error] of failed) {
      // Deleted elsewhere just now: whoever said so has looked.
      if (isGone(error)) this.#gone.add(partition.topicId);
      else {
        this.#unready.add(keyOf(partition));
        this.#failure = error;
      }
    }
    if (known.length + reset.length > 0) await this.#advance(view, [...known, ...reset], false);
    // Read again what stands there now.
    return "moved";
  }

  async #fetch(
    view: InstanceView,
    placed: readonly PlacedPartition[],
  ): Promise<(FetchedDelivery & { readonly view: InstanceView; readonly isOver: boolean }) | "changed"> {
    const { runtime, signal } = this.#call;
    const { clock } = runtime.broker;
    if (this.#mayCommit(view) && view.config.fetchBytesMin > 1) {
      await this.#commit();
      return "changed";
    }
    const isShort = runtime.stopping.aborted || this.#failure !== ErrorCode.NONE;
    const leftMs = isShort ? 0 : Math.max(0, this.#deadlineMs - clock.monotonicMs());
    // What has been delivered is committed before a wait, not after it.
    const waitMs = this.#mayCommit(view) ? 0 : leftMs;
    const changed = waitMs > 0 ? this.#watch(view) : undefined;
    const until = changed === undefined ? signal : AbortSignal.any([signal, changed.signal, runtime.stopping]);
    try {
      const fetched = await fetchDelivery(placed, { ...this.#options, waitMs, view, signal: until }, this.#call);
      for (const topicId of fetched.goneTopicIds) this.#gone.add(topicId);
      const isOver = leftMs <= waitMs && clock.monotonicMs() >= this.#deadlineMs;
      return { ...fetched, view, isOver: isOver || leftMs === 0 };
    } catch (error) {
      if (signal.aborted || !until.aborted) throw error;
      return "changed";
    } finally {
      changed?.abort();
    }
  }

  /** Aborts when others have changed the instance, or its member has something to say. */
  #watch(view: InstanceView): AbortController {
    const controller = sharedAbortController();
    const { signal } = this.#call;
    const givesUp = { deliveries: this.#deliveries };
    this.#instances.untilChanged(view, givesUp, AbortSignal.any([signal, controller.signal])).then(
      () => controller.abort(),
      // Its journal does not answer; the next call will tell.
      () => {},
    );
    return controller;
  }

  #mayCommit({ config, hasUncommitted, deliveries }: InstanceView): boolean {
    return this.#canCommit && config.autoCommit && hasUncommitted && deliveries === this.#deliveries;
  }

  /** Whether something was committed. */
  async #commit(): Promise<boolean> {
    const view = await this.#viewNow();
    if (!this.#mayCommit(view)) return false;
    await this.#advance(view, [], false);
    return true;
  }

  async #advance(view: InstanceView, positions: readonly InstancePosition[], delivers: boolean) {
    const { runtime, params, signal } = this.#call;
    const { cluster } = runtime.broker;
    const topics = new Set(positions.map(({ topicId }) => topicId));
    const clusterSeq = clusterSeqOf([...topics].flatMap((topicId) => cluster.topic(topicId) ?? []));
    const commits = this.#mayCommit(view);
    const result = await this.#instances.advance(view, { commits, delivers, positions, clusterSeq }, signal);
    if (result === "stale-view") await cluster.refresh(signal);
    if (typeof result !== "number") return result;
    if (result === ErrorCode.UNKNOWN_MEMBER_ID) throw instanceError(result, params);
    if (result !== ErrorCode.NON_EMPTY_GROUP) throw httpErrorOf(result);
    // Others are members of the group, and partitions that were assigned by hand are not committed; reading goes on.
    this.#canCommit = false;
    return "moved";
  }
}

function keyOf({ topicId, partitionIndex }: ViewedPartition): string {
  return `${topicId} ${partitionIndex}`;
}

/** A pattern matches whatever there is, and a topic that the caller may not see is not named. */
function requireReading(principal: HttpPrincipal, topicName: string): void {
  const topic = topicResource(topicName);
  if (principal.may("read", topic)) return;
  if (principal.may("describe", topic)) requireAccess(principal, "read", topic);
  const message = "This key has no right to read some of the topics that the instance has.";
  throw new HttpError({ status: 403, errorCode: 40301, message });
}
