import { journalOfPartition, journalsOfTopic, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { abortable, timeLimit } from "#lib/runtime/deadline.ts";
import { LEADER_LOOK_MS_MAX, LEADER_LOOK_MS_MIN } from "#lib/util/limits.ts";
import type { BrokerServices } from "./broker-services.ts";

// Elections of other processes are seen when somebody looks. A broker that leads a journal looks at it with everything
// that it appends; what it tells of others' journals is as old as its last look at them.

/** A partition that is to be told of. */
export interface TopicPartitionPlace {
  readonly topic: TopicPlacement;
  readonly partitionIndex: number;
}

type LookServices = Pick<BrokerServices, "cluster" | "journals" | "clock">;

/** The journals of some partitions. */
export function journalsOf(places: Iterable<TopicPartitionPlace>): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const { topic, partitionIndex } of places) numbers.add(journalOfPartition(topic, partitionIndex));
  return numbers;
}

/**
 * Folds what the brokers and these journals have gained, where this process's last look is older than `ageMsMax`. A
 * journal that is not opened here, or does not answer in a second, stays as it is known. Rejects only if aborted.
 */
export async function freshenLeaders(
  journalNumbers: Iterable<number>,
  { ageMsMax, signal }: { readonly ageMsMax: number; readonly signal: AbortSignal },
  { cluster, journals, clock }: LookServices,
): Promise<void> {
  const oldestMs = clock.monotonicMs() - ageMsMax;
  const opened = [...journalNumbers].flatMap((each) => journals.opened(each) ?? []);
  const old = [cluster, ...opened].filter(({ asOfMs }) => asOfMs < oldestMs);
  if (old.length === 0) return;
  using limit = timeLimit(clock, LEADER_LOOK_MS_MAX, signal);
  await Promise.allSettled(old.map((each) => abortable(each.catchUp(limit.signal), limit.signal)));
  signal.throwIfAborted();
}

/** Before a client is told that another broker leads: the newest that can be known without asking too often. */
export function freshenRefusals(
  places: readonly TopicPartitionPlace[],
  signal: AbortSignal,
  services: LookServices,
): Promise<void> {
  return freshenLeaders(journalsOf(places), { ageMsMax: LEADER_LOOK_MS_MIN, signal }, services);
}

/**
 * Before topics are shown, where others may have been elected: looks at what this process has not looked at for the time
 * between two heartbeats. A lone broker knows its own elections.
 */
export async function freshenShown(
  topics: readonly TopicPlacement[],
  signal: AbortSignal,
  services: LookServices,
): Promise<void> {
  if (services.cluster.runningBrokers().length < 2) return;
  const journalNumbers = new Set<number>();
  for (const topic of topics) for (const each of journalsOfTopic(topic)) journalNumbers.add(each);
  const ageMsMax = services.cluster.brokerInteger("broker.heartbeat.interval.ms");
  await freshenLeaders(journalNumbers, { ageMsMax, signal }, services);
}
