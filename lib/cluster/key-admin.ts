import { ErrorCode } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import {
  API_KEY_NAME_LENGTH_MAX,
  API_KEY_PATTERN_LENGTH_MAX,
  API_KEY_REQUESTS_PER_SECOND_MAX,
  API_KEY_RIGHTS_MAX,
  API_KEYS_MAX,
} from "#lib/util/limits.ts";
import { type AdminResult, done, type Refusal, refusal } from "./admin-result.ts";
import type { ApiKeyState, KeyRight } from "./api-key-state.ts";
import type { CreateKeyCommand } from "./cluster-command.ts";
import { API_KEYS_FEATURE_LEVEL, type ClusterJournal } from "./cluster-state-machine.ts";

const LANE = "keys";

/**
 * Creates and deletes keys of the HTTPS door. Methods answer refusals as values; they reject if the journal fails, with
 * `UnknownOutcomeError` where the command may or may not have taken effect.
 */
export class KeyAdmin {
  readonly #journal: ClusterJournal;

  constructor(journal: ClusterJournal) {
    this.#journal = journal;
  }

  async create(key: Omit<CreateKeyCommand, "kind">, signal: AbortSignal): Promise<AdminResult<undefined>> {
    const fault = this.#faultOf(key);
    if (fault !== undefined) return fault;
    await this.#journal.raiseFeatureLevel(API_KEYS_FEATURE_LEVEL, signal);
    const { outcome } = await this.#journal.propose({ kind: "create-key", ...key }, { lane: LANE, signal });
    if (outcome.kind !== "refused") return done(undefined);
    if (outcome.error === ErrorCode.DUPLICATE_RESOURCE) {
      return refusal(outcome.error, `A key with the id '${key.keyId}' already exists.`);
    }
    if (outcome.error === ErrorCode.POLICY_VIOLATION) {
      return refusal(outcome.error, `The cluster has ${API_KEYS_MAX} keys, which is all it may have.`);
    }
    return refusal(outcome.error, errorMessage(outcome.error));
  }

  async delete(keyId: string, signal: AbortSignal): Promise<AdminResult<undefined>> {
    await this.#journal.raiseFeatureLevel(API_KEYS_FEATURE_LEVEL, signal);
    const { outcome } = await this.#journal.propose({ kind: "delete-key", keyId }, { lane: LANE, signal });
    return outcome.kind === "refused" ? refusal(outcome.error, `There is no key '${keyId}'.`) : done(undefined);
  }

  /** All keys, in the order of their creation, as of a strong read. */
  async list(signal: AbortSignal): Promise<readonly ApiKeyState[]> {
    await this.#journal.readBarrier(signal);
    return [...this.#journal.state.apiKeys.values()];
  }

  #faultOf({ name, rights, requestsPerSecond, expiresAtMs }: Omit<CreateKeyCommand, "kind">): Refusal | undefined {
    if (name.length > API_KEY_NAME_LENGTH_MAX) {
      return invalid(`A key's name has at most ${API_KEY_NAME_LENGTH_MAX} characters.`);
    }
    if (rights.length === 0 || rights.length > API_KEY_RIGHTS_MAX) {
      return invalid(`A key has 1 to ${API_KEY_RIGHTS_MAX} rights.`);
    }
    const isLimit = Number.isSafeInteger(requestsPerSecond) && requestsPerSecond >= 0;
    if (!isLimit || requestsPerSecond > API_KEY_REQUESTS_PER_SECOND_MAX) {
      return invalid(`Requests a second are a whole number up to ${API_KEY_REQUESTS_PER_SECOND_MAX}; 0 is no limit.`);
    }
    if (expiresAtMs !== undefined && expiresAtMs <= this.#journal.nowMs()) {
      return invalid("The key would have expired already.");
    }
    return rights.map(rightFault).find((fault) => fault !== undefined);
  }
}

function rightFault({ operation, pattern }: KeyRight): Refusal | undefined {
  if (operation === "admin" && pattern !== "*") return invalid("The right admin has the pattern *.");
  if (pattern === "" || pattern.length > API_KEY_PATTERN_LENGTH_MAX) {
    return invalid(`A pattern has 1 to ${API_KEY_PATTERN_LENGTH_MAX} characters.`);
  }
  const star = pattern.indexOf("*");
  if (star >= 0 && star < pattern.length - 1) {
    return invalid(`An asterisk may only end a pattern: '${pattern}'.`);
  }
  return undefined;
}

function invalid(message: string): Refusal {
  return refusal(ErrorCode.INVALID_REQUEST, message);
}
