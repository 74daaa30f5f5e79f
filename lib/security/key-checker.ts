import { timingSafeEqual } from "node:crypto";
import type { ApiKeyState } from "#lib/cluster/api-key-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { FreshFlight } from "#lib/runtime/single-flight.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { API_KEY_LOOKUP_SPACING_MS, API_KEY_VIEW_MS_MAX } from "#lib/util/limits.ts";
import { hashSecret, parseKeyToken } from "./key-token.ts";

/** What the checker needs to know of the cluster; `ClusterView` is one. */
export interface KnownKeys {
  apiKey(keyId: string): ApiKeyState | undefined;
  /** Folds what a strong read shows. */
  refresh(signal: AbortSignal): Promise<void>;
  /** How old what is known is, by the monotonic clock. */
  readonly asOfMs: number;
  /** Folds what an eventually consistent read shows. */
  catchUp(signal: AbortSignal): Promise<void>;
  /** By the journal service's clock. */
  nowMs(): TimestampMs;
}

export type CheckedKey =
  | { readonly kind: "known"; readonly key: ApiKeyState }
  /** `reason` is meant for the one who presented it and tells no more than the token's own form does. */
  | { readonly kind: "refused"; readonly reason: string };

const UNKNOWN: CheckedKey = { kind: "refused", reason: "the key is unknown or was deleted" };
const EXPIRED = "the key has expired";
const MALFORMED: CheckedKey = { kind: "refused", reason: "this is no key: keys begin with mr_" };

/**
 * Tells whether a presented key is one of the cluster's. "No" is said after a strong read that began after the question
 * (docs/ARCHITECTURE.md J8); such reads are spaced and shared, so that guessing costs waiting and no journal. "Yes" is
 * said from a view of a few seconds at most: what nobody asks, nobody reads, and a key may have been deleted elsewhere.
 */
export class KeyChecker {
  readonly #keys: KnownKeys;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #lookups: FreshFlight<void>;
  #lookedUpAtMs = Number.NEGATIVE_INFINITY;
  #catchingUp: Promise<void> | undefined;
  #failedAtMs = Number.NEGATIVE_INFINITY;

  /** `signal` ends what is under way when the process stops. */
  constructor(keys: KnownKeys, clock: Clock, signal: AbortSignal) {
    this.#keys = keys;
    this.#clock = clock;
    this.#signal = signal;
    this.#lookups = new FreshFlight(() => this.#lookUp());
  }

  /** Rejects if the cluster journal does not answer. */
  async check(token: string, signal: AbortSignal): Promise<CheckedKey> {
    const presented = parseKeyToken(token);
    if (presented === undefined) return MALFORMED;
    await this.#freshen(signal);
    if (this.#keys.apiKey(presented.keyId) === undefined) await abortable(this.#lookups.run(), signal);
    const key = this.#keys.apiKey(presented.keyId);
    if (key === undefined || !timingSafeEqual(hashSecret(presented.secret), key.secretHash)) return UNKNOWN;
    if (this.#isExpired(key)) return { kind: "refused", reason: EXPIRED };
    return { kind: "known", key };
  }

  /** Why a key that was known is not taken any more; undefined while it is. */
  async faultOf(keyId: string): Promise<string | undefined> {
    await this.#freshen(this.#signal);
    const key = this.#keys.apiKey(keyId);
    if (key === undefined) return "the key was deleted";
    return this.#isExpired(key) ? EXPIRED : undefined;
  }

  #isExpired({ expiresAtMs }: ApiKeyState): boolean {
    return expiresAtMs !== undefined && expiresAtMs <= this.#keys.nowMs();
  }

  /** While the journal does not answer, what is known holds: it was true a moment ago. */
  async #freshen(signal: AbortSignal): Promise<void> {
    const knownAtMs = Math.max(this.#keys.asOfMs, this.#failedAtMs);
    if (this.#clock.monotonicMs() - knownAtMs < API_KEY_VIEW_MS_MAX) return;
    this.#catchingUp ??= this.#catchUp();
    await abortable(this.#catchingUp, signal);
  }

  async #catchUp(): Promise<void> {
    try {
      await this.#keys.catchUp(this.#signal);
    } catch {
      this.#failedAtMs = this.#clock.monotonicMs();
    } finally {
      this.#catchingUp = undefined;
    }
  }

  async #lookUp(): Promise<void> {
    const waitMs = this.#lookedUpAtMs + API_KEY_LOOKUP_SPACING_MS - this.#clock.monotonicMs();
    if (waitMs > 0) await this.#clock.sleep(waitMs, this.#signal);
    this.#lookedUpAtMs = this.#clock.monotonicMs();
    await this.#keys.refresh(this.#signal);
  }
}
