import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { BrokerServices } from "./broker-services.ts";
import { journalsOf, type TopicPartitionPlace } from "./leader-looks.ts";

/**
 * The leader epoch of every batch: there is one history, so elections leave no mark in it. Metadata's epoch rises with
 * each election, and by it a request that was meant for another leader is told so (KIP-320).
 */
export const BATCH_LEADER_EPOCH = 0;

/** What a request carries that knows of no epoch. */
const UNKNOWN = -1;

/** A partition of a request, with the leader epoch that the client knows. */
export interface EpochClaim extends TopicPartitionPlace {
  readonly currentLeaderEpoch: number;
}

export function checkLeaderEpoch(
  { topic, partitionIndex, currentLeaderEpoch }: EpochClaim,
  { nodes }: Pick<BrokerServices, "nodes">,
): ErrorCode {
  if (currentLeaderEpoch === UNKNOWN) return ErrorCode.NONE;
  const { leaderEpoch } = nodes.leaderOf(topic, partitionIndex);
  if (currentLeaderEpoch === leaderEpoch) return ErrorCode.NONE;
  return currentLeaderEpoch < leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH;
}

/**
 * Strong reads where a client knows of a later election than this process (docs/ARCHITECTURE.md J8): only then it is told
 * that there is no such epoch. Where a read fails nobody knows, and the client may ask again all the same. Rejects only if
 * aborted.
 */
export async function confirmEpochs(
  claims: readonly EpochClaim[],
  signal: AbortSignal,
  services: Pick<BrokerServices, "journals" | "nodes">,
): Promise<void> {
  const ahead = claims.filter((claim) => checkLeaderEpoch(claim, services) === ErrorCode.UNKNOWN_LEADER_EPOCH);
  if (ahead.length === 0) return;
  const looks = [...journalsOf(ahead)].map(async (journalNumber) => {
    const journal = await services.journals.journal(journalNumber, signal);
    await journal.readBarrier(signal);
  });
  await Promise.allSettled(looks);
  signal.throwIfAborted();
}
