import type { LogJournals } from "#lib/log/log-journals.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { answerWithin } from "#lib/storage/answer-within.ts";
import { parseSegmentKey } from "#lib/storage/object-keys.ts";
import { CorruptObjectError, ObjectNotFoundError, type ObjectStore } from "#lib/storage/object-store.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import { transferMs } from "#lib/storage/transfer-time.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { STORE_PUT_MS_MAX, STORE_READ_MS_MAX } from "#lib/util/limits.ts";
import { copyAt, problemOf, type WholeObject } from "./copy-checks.ts";
import type { CopyTracker } from "./copy-tracker.ts";
import { segmentOf } from "./held-objects.ts";
import type { OwedCopy } from "./owed-copies.ts";
import type { Pace } from "./pace.ts";
import { rebuildIndex } from "./rebuild-index.ts";

/**
 * `there`: the store had it already. `lost`: every other store says that it has no good copy. `unavailable`: one that may
 * have it does not answer.
 */
export type CopyResult = "there" | "copied" | "lost" | "unavailable";

export interface ObjectCopierPorts {
  readonly stores: StoreSet;
  readonly health: StoreHealth;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pace: Pace;
  /** Hears of sources that have an object not, or not as it was written. */
  readonly tracker: CopyTracker;
  /** Whose states tell of the segments that indexes belong to. */
  readonly journals: LogJournals;
}

type Source = { readonly bytes: Uint8Array } | { readonly result: "lost" | "unavailable" };

/**
 * Brings one store what another one has, byte for byte and only if the bytes are those that were written. An index that no
 * store has is made again from its log.
 */
export class ObjectCopier {
  readonly #ports: ObjectCopierPorts;

  constructor(ports: ObjectCopierPorts) {
    this.#ports = ports;
  }

  /** Fails with `StoreUnavailableError` if the store that is to get it does not answer. */
  async bring(copy: OwedCopy, id: StoreId, signal: AbortSignal): Promise<CopyResult> {
    const target = this.#ports.stores.store(id);
    const doubt = copy.doubt === "late" ? await this.#look(target, copy, signal) : copy.doubt;
    if (doubt === "there") return "there";
    await this.#ports.pace.take(copy.byteLength, signal);
    // Whoever said so may have been wrong, or another broker has mended it: what is good is never touched.
    const condition = doubt === "damaged" ? await this.#examine(target, copy, signal) : "missing";
    if (condition === "good") return "there";
    const source = await this.#source(copy, id, signal);
    if (!("bytes" in source)) return source.result;
    const limitMs = STORE_PUT_MS_MAX + transferMs(copy.byteLength);
    return this.#limited(limitMs, signal, async (own) => {
      // The good bytes are at hand, so that as little time as can be passes without any copy there.
      if (condition === "damaged") await target.deleteAll([copy.key], own);
      const result = await target.putIfAbsent(copy.key, [source.bytes], own);
      return result.kind === "written" ? "copied" : "there";
    });
  }

  async #source(copy: OwedCopy, id: StoreId, signal: AbortSignal): Promise<Source> {
    const found = await this.#readSource(copy, id, signal);
    const suffix = parseSegmentKey(copy.key)?.suffix ?? "log";
    if ("bytes" in found || found.result !== "lost" || suffix === "log") return found;
    const { stores, health, journals, tracker, clock, logger } = this.#ports;
    const states = journals.allOpened().map(({ state }) => state);
    const segment = segmentOf(copy.key, states);
    if (segment === undefined) return found;
    const order = health.trustedFirst(stores.readOrder(segment.copies));
    const read = (from: StoreId, key: ObjectKey) =>
      this.#read(stores.store(from), { key, byteLength: segment.byteLength }, signal);
    const made = await rebuildIndex({ segment, suffix, stores: order, read, clock }, signal);
    if (typeof made === "string") return { result: made };
    logger.info("an index that no store has was made from its log", { key: copy.key });
    for (const source of copy.sources) if (source !== id) tracker.noteBadSource(copy, source, "missing");
    return { bytes: made };
  }

  /**
   * Sources that have it not, or not whole, are told of only where there may be a good copy to mend them with: where there
   * is none, two stores would send each other looking for ever.
   */
  async #readSource(copy: OwedCopy, id: StoreId, signal: AbortSignal): Promise<Source> {
    const { stores, health, logger, tracker } = this.#ports;
    const bad: { readonly source: StoreId; readonly kind: "missing" | "damaged" }[] = [];
    const noteBad = (): void => {
      for (const { source, kind } of bad) tracker.noteBadSource(copy, source, kind);
    };
    let result: "lost" | "unavailable" = copy.sources.every((each) => stores.has(each)) ? "lost" : "unavailable";
    for (const source of health.trustedFirst(stores.readOrder(copy.sources))) {
      if (source === id) continue;
      try {
        const bytes = await this.#read(stores.store(source), copy, signal);
        const problem = await problemOf(bytes, copy, this.#ports.clock);
        if (problem === undefined) {
          noteBad();
          return { bytes };
        }
        logger.warn("a copy is damaged", { store: source, key: copy.key, problem });
        bad.push({ source, kind: "damaged" });
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof ObjectNotFoundError) {
          if (copy.sources.includes(source)) bad.push({ source, kind: "missing" });
        } else if (error instanceof CorruptObjectError) bad.push({ source, kind: "damaged" });
        else {
          result = "unavailable";
          logger.debug("a source of a copy does not answer", { store: source, error: describeError(error) });
        }
      }
    }
    if (result !== "lost") noteBad();
    return { result };
  }

  #look(target: ObjectStore, copy: OwedCopy, signal: AbortSignal): ReturnType<typeof copyAt> {
    return this.#limited(STORE_READ_MS_MAX, signal, (own) => copyAt(target, copy, own));
  }

  /** What lies there, by all of its bytes. */
  async #examine(target: ObjectStore, copy: OwedCopy, signal: AbortSignal): Promise<"good" | "missing" | "damaged"> {
    try {
      const bytes = await this.#read(target, copy, signal);
      return (await problemOf(bytes, copy, this.#ports.clock)) === undefined ? "good" : "damaged";
    } catch (error) {
      if (error instanceof ObjectNotFoundError) return "missing";
      if (error instanceof CorruptObjectError) return "damaged";
      throw error;
    }
  }

  #read(store: ObjectStore, { key, byteLength }: WholeObject, signal: AbortSignal): Promise<Uint8Array> {
    return this.#limited(STORE_READ_MS_MAX + transferMs(byteLength), signal, (own) => store.get(key, own));
  }

  #limited<T>(ms: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return answerWithin({ clock: this.#ports.clock, ms, signal }, work);
  }
}
