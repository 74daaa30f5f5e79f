import type { InstanceConfig } from "#lib/coordinator/consumer-instance.ts";
import type { InstanceCalls } from "#lib/coordinator/shell/instance-calls.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { type Delivered, PollRefusedError, pollGroup } from "../../coordinator/instance-poller.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { TOPIC_NAME } from "./group-names.ts";
import type { GroupWorld } from "./group-world.ts";

const CALL_MS_MAX = 30_000;

/** How far each partition is written. */
export type Ends = readonly number[];

/** A client of one consumer instance, each of whose calls goes to any process. */
export class InstanceClient {
  readonly #world: GroupWorld;
  readonly #random: SeededRandom;
  readonly #who: { readonly groupId: string; readonly instanceId: string };
  readonly #ends: Ends;
  #isMade = false;
  lostCount = 0;

  constructor(world: GroupWorld, instanceId: string, ends: Ends) {
    this.#world = world;
    this.#random = world.fork();
    this.#who = { groupId: "instances", instanceId };
    this.#ends = ends;
  }

  async run(): Promise<void> {
    const { scheduler, profile } = this.#world;
    for (;;) {
      if (!this.#isMade) await this.#make();
      else await this.#poll();
      if (!this.#world.isHealed) await this.#live();
      await scheduler.sleep(profile.heartbeatMs / 2);
    }
  }

  async #make(): Promise<void> {
    const { profile } = this.#world;
    const config: InstanceConfig = {
      format: "json",
      autoOffsetReset: "earliest",
      autoCommit: true,
      readCommitted: false,
      fetchBytesMin: 1,
      requestTimeoutMs: 0,
      timeoutMs: profile.sessionTimeoutMs,
    };
    const created = await this.#call((instances, signal) => instances.create(this.#who, config, signal));
    if (created !== ErrorCode.NONE && created !== ErrorCode.DUPLICATE_RESOURCE) return;
    const to = { subscription: { kind: "topics", topicNames: [TOPIC_NAME] }, clusterSeq: 1 } as const;
    const subscribed = await this.#call((instances, signal) => instances.subscribe(this.#who, to, signal));
    this.#isMade = subscribed === "done";
  }

  async #poll(): Promise<void> {
    const found = await this.#call(async (instances, signal) => {
      try {
        return await pollGroup(instances, this.#who, { fetch: (view) => this.#fetch(view.partitions) }, signal);
      } catch (error) {
        if (error instanceof PollRefusedError) return error.error;
        throw error;
      }
    });
    if (found !== ErrorCode.UNKNOWN_MEMBER_ID) return;
    this.lostCount++;
    this.#isMade = false;
  }

  async #fetch(
    partitions: readonly {
      readonly partitionIndex: number;
      readonly offset: number | undefined;
      readonly hasPosition: boolean;
    }[],
  ): Promise<readonly Delivered[]> {
    await this.#world.scheduler.sleep(this.#random.below(50));
    return partitions.flatMap(({ partitionIndex: partition, offset: from = 0 }) => {
      const to = Math.min(from + 1 + this.#random.below(60), this.#ends[partition] ?? 0);
      return to > from ? [{ partition, from, to }] : [];
    });
  }

  /** What may happen between two polls. */
  async #live(): Promise<void> {
    const { scheduler, profile } = this.#world;
    if (this.#random.chance(0.03)) {
      const deleted = await this.#call((instances, signal) => instances.delete(this.#who, signal));
      if (deleted === "done" || deleted === ErrorCode.UNKNOWN_MEMBER_ID) this.#isMade = false;
    }
    if (this.#random.chance(0.05)) await scheduler.sleep(this.#random.below(profile.napMsMax));
  }

  async #call<T>(work: (instances: InstanceCalls, signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const process = this.#world.anyProcess(this.#random);
    if (process === undefined) return undefined;
    const options = { random: this.#random, timeoutMs: CALL_MS_MAX };
    return this.#world.call(process, ({ instances }, signal) => work(defined(instances), signal), options);
  }
}
