import type { GroupJournals } from "#lib/coordinator/group-journals.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { SingleFlight } from "#lib/runtime/single-flight.ts";
import { type TopicId, ZERO_UUID } from "#lib/util/branded.ts";
import { PARTITIONS_PER_TOPIC_MAX } from "#lib/util/limits.ts";
import { type AdminResult, done, type Refusal, refusal } from "./admin-result.ts";
import type { ClusterCommand, ClusterOutcome } from "./cluster-command.ts";
import { metricNameOf } from "./cluster-state.ts";
import { type ClusterJournal, GROUP_CONFIGS_FEATURE_LEVEL } from "./cluster-state-machine.ts";
import type { ClusterView } from "./cluster-view.ts";
import {
  checkBrokerAlteration,
  checkGroupAlteration,
  checkTopicAlteration,
  type RequestedAlteration,
} from "./config-alteration.ts";
import { type NewTopic, newTopicFault, newTopicId } from "./new-topic.ts";
import { refusalOf } from "./refusal-texts.ts";
import { storedTopicConfigs } from "./topic-config-check.ts";
import { TopicDeletion } from "./topic-deletion.ts";
import { updateOpenPartitions } from "./topic-effects.ts";
import { collisionMessage, topicNameFault } from "./topic-names.ts";

export interface TopicAdminOptions {
  readonly cluster: ClusterView;
  readonly journal: ClusterJournal;
  readonly logJournals: LogJournals;
  readonly groupJournals: GroupJournals;
  /** Stores that replicas can live in: the most that `replication.factor` may be. */
  readonly storeCount: number;
  readonly clock: Pick<Clock, "endOfTurn">;
  readonly random: Random;
  readonly logger: Logger;
  /** Ends what is under way when the process stops. */
  readonly signal: AbortSignal;
}

export interface AdminOptions {
  /** Checks everything and changes nothing. */
  readonly validateOnly: boolean;
  readonly signal: AbortSignal;
}

export interface CreatedTopic {
  /** The zero UUID if it was only validated. */
  readonly topicId: TopicId;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly configs: ReadonlyMap<string, string>;
}

/** Looked at without a pause when settings are brought into the logs: a millisecond or two. */
const TOPICS_PER_TURN = 100;
const DEFAULT = -1;

/**
 * Creates, changes and deletes topics, and alters dynamic configs. What spans journals is intent, effects, done: it may
 * stop anywhere, and `resume` does the rest. Methods answer refusals as values; they reject if a journal fails, with
 * `UnknownOutcomeError` where a command may or may not have taken effect.
 */
export class TopicAdmin {
  readonly #options: TopicAdminOptions;
  readonly #deletion: TopicDeletion;
  readonly #missing = new SingleFlight<string, AdminResult<CreatedTopic>>();

  constructor(options: TopicAdminOptions) {
    this.#options = options;
    this.#deletion = new TopicDeletion(options);
  }

  /** -1 as partition count or replication factor means the broker's default. */
  async createTopic(requested: NewTopic, options: AdminOptions): Promise<AdminResult<CreatedTopic>> {
    const { cluster, storeCount } = this.#options;
    const topic = this.#withDefaults(requested);
    const fault = newTopicFault(topic, { layers: cluster.configLayers(), storeCount });
    if (fault !== undefined) return fault;
    // "It exists" is said from a strong read alone; but a topic that nobody knows needs none, the fold decides.
    if (options.validateOnly || this.#topicIdInTheWay(topic.name) !== undefined) {
      await cluster.refresh(options.signal);
      const standing = this.#nameFault(topic.name);
      if (standing !== undefined) return standing;
    }
    const stored = { ...topic, configs: storedTopicConfigs(topic.configs) };
    if (options.validateOnly) return done({ ...stored, topicId: ZERO_UUID });
    return this.#create({ ...stored, topicId: newTopicId(this.#options.random) }, options.signal);
  }

  /** Creates a topic with the broker's defaults, once for all who miss it at the same time. */
  createMissingTopic(name: string, signal: AbortSignal): Promise<AdminResult<CreatedTopic>> {
    const topic = { name, partitionCount: DEFAULT, replicationFactor: DEFAULT, configs: new Map<string, string>() };
    // The signal of one of them must not end what the others wait for.
    const options = { validateOnly: false, signal: this.#options.signal };
    return abortable(
      this.#missing.run(name, () => this.createTopic(topic, options)),
      signal,
    );
  }

  /** Grows a topic to `partitionCount` partitions. */
  async createPartitions(
    name: string,
    partitionCount: number,
    options: AdminOptions,
  ): Promise<AdminResult<{ readonly partitionCount: number }>> {
    const { cluster } = this.#options;
    // The answer depends on how many there are, so it is always given from a strong read.
    await cluster.refresh(options.signal);
    const topic = cluster.topicByName(name);
    if (topic === undefined)
      return refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`);
    if (partitionCount <= topic.partitionCount) {
      return tooFewPartitions(name, { standing: topic.partitionCount, asked: partitionCount });
    }
    if (partitionCount > PARTITIONS_PER_TOPIC_MAX) {
      return refusal(ErrorCode.INVALID_PARTITIONS, `A topic has at most ${PARTITIONS_PER_TOPIC_MAX} partitions.`);
    }
    if (options.validateOnly) return done({ partitionCount });
    const { topicId } = topic;
    const outcome = await this.#propose({ kind: "create-partitions", topicId, partitionCount }, options.signal);
    if (outcome.kind !== "refused") return done({ partitionCount });
    if (outcome.error !== ErrorCode.INVALID_PARTITIONS) return refusalOf(outcome, name);
    return tooFewPartitions(name, { standing: Number(outcome.detail), asked: partitionCount });
  }

  /**
   * Deletes a topic: from the answer on nobody finds it. Usually its name is free then too; if a journal fails on the
   * way there, `resume` frees it later.
   */
  async deleteTopic(topicId: TopicId, signal: AbortSignal): Promise<AdminResult<undefined>> {
    const outcome = await this.#propose({ kind: "delete-topic", topicId }, signal);
    if (outcome.kind === "refused") return refusalOf(outcome, topicId);
    try {
      await this.#deletion.finish(topicId, signal);
    } catch (error) {
      const fields = { topicId, error: describeError(error) };
      this.#options.logger.warn("a topic is marked for deletion, but not dropped everywhere yet", fields);
    }
    return done(undefined);
  }

  async alterTopicConfigs(
    name: string,
    requested: RequestedAlteration,
    options: AdminOptions,
  ): Promise<AdminResult<undefined>> {
    const { cluster } = this.#options;
    const nameFault = topicNameFault(name);
    if (nameFault !== undefined) return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, nameFault);
    await cluster.refresh(options.signal);
    const topic = cluster.topicByName(name);
    if (topic === undefined)
      return refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`);
    const checked = checkTopicAlteration(topic, requested, cluster.configLayers());
    if (checked.kind === "refused") return checked;
    if (options.validateOnly) return done(undefined);
    const { topicId } = topic;
    const alteration = checked.value;
    const outcome = await this.#propose({ kind: "alter-topic-configs", topicId, alteration }, options.signal);
    if (outcome.kind === "refused") return refusalOf(outcome, name);
    await this.#bringIntoLogs([topic], options.signal);
    return done(undefined);
  }

  /** `brokerName` is a broker id in decimal, or empty for all brokers. */
  async alterBrokerConfigs(
    brokerName: string,
    requested: RequestedAlteration,
    options: AdminOptions,
  ): Promise<AdminResult<undefined>> {
    const { cluster } = this.#options;
    await cluster.refresh(options.signal);
    const configs = cluster.dynamicBrokerConfigs(brokerName);
    const checked = checkBrokerAlteration({ name: brokerName, configs }, requested);
    if (checked.kind === "refused") return checked;
    if (options.validateOnly) return done(undefined);
    const alteration = checked.value;
    const before = cluster.configLayers();
    const outcome = await this.#propose({ kind: "alter-broker-configs", brokerName, alteration }, options.signal);
    if (outcome.kind === "refused") return refusalOf(outcome, brokerName);
    const key = "min.insync.replicas";
    const after = cluster.configLayers();
    if (before.broker.get(key) !== after.broker.get(key) || before.allBrokers.get(key) !== after.allBrokers.get(key)) {
      await this.#bringIntoLogs(cluster.topics(), options.signal);
    }
    return done(undefined);
  }

  /** There need not be a group of that id: what it is given counts once there is. */
  async alterGroupConfigs(
    groupId: string,
    requested: RequestedAlteration,
    options: AdminOptions,
  ): Promise<AdminResult<undefined>> {
    const { cluster, journal } = this.#options;
    await cluster.refresh(options.signal);
    const brokerInteger = (name: string) => cluster.brokerInteger(name);
    const checked = checkGroupAlteration(cluster.groupConfigs(groupId), requested, brokerInteger);
    if (checked.kind === "refused") return checked;
    if (options.validateOnly) return done(undefined);
    await journal.raiseFeatureLevel(GROUP_CONFIGS_FEATURE_LEVEL, options.signal);
    const alteration = checked.value;
    const outcome = await this.#propose({ kind: "alter-group-configs", groupId, alteration }, options.signal);
    return outcome.kind === "refused" ? refusalOf(outcome, groupId) : done(undefined);
  }

  /** Finishes what a process that stopped half-way has left. Answers how many deletions still wait for a journal. */
  async resumeDeletions(signal: AbortSignal): Promise<number> {
    await this.#options.cluster.refresh(signal);
    return this.#deletion.finishAll(signal);
  }

  /** Brings partitions that are open anywhere up to their topics' settings. */
  async resumeSettings(signal: AbortSignal): Promise<void> {
    await this.#options.cluster.refresh(signal);
    await this.#bringIntoLogs(this.#options.cluster.topics(), signal);
  }

  async #create(
    topic: NewTopic & { readonly topicId: TopicId },
    signal: AbortSignal,
  ): Promise<AdminResult<CreatedTopic>> {
    const { topicId, name, partitionCount, replicationFactor } = topic;
    const { cluster, logJournals } = this.#options;
    const configs = [...topic.configs].map(([key, value]) => ({ key, value }));
    const journalCount = logJournals.count;
    const command = { kind: "create-topic", topicId, name, partitionCount, replicationFactor, journalCount } as const;
    let outcome = await this.#propose({ ...command, configs }, signal);
    const standingId = this.#topicIdInTheWay(name);
    if (outcome.kind === "refused" && standingId !== undefined && cluster.topic(standingId) === undefined) {
      // Somebody has begun to delete it and has not come to the end: any process may.
      await this.#deletion.finish(standingId, signal);
      outcome = await this.#propose({ ...command, configs }, signal);
    }
    if (outcome.kind === "refused") return refusalOf(outcome, name);
    return done({ topicId, partitionCount, replicationFactor, configs: topic.configs });
  }

  #withDefaults(topic: NewTopic): NewTopic {
    const { cluster } = this.#options;
    const { partitionCount, replicationFactor } = topic;
    return {
      ...topic,
      partitionCount: partitionCount === DEFAULT ? cluster.brokerInteger("num.partitions") : partitionCount,
      replicationFactor:
        replicationFactor === DEFAULT ? cluster.brokerInteger("default.replication.factor") : replicationFactor,
    };
  }

  /** The topic that has this name, or one that differs only in `.` and `_`; it may be marked for deletion. */
  #topicIdInTheWay(name: string): TopicId | undefined {
    const { state } = this.#options.journal;
    const standing = state.topicNamesByMetricName.get(metricNameOf(name));
    return standing === undefined ? undefined : state.topicIdsByName.get(standing);
  }

  /** A name that is being deleted is not in the way: creating the topic finishes that first. */
  #nameFault(name: string): Refusal | undefined {
    const standingId = this.#topicIdInTheWay(name);
    const standing = standingId === undefined ? undefined : this.#options.cluster.topic(standingId);
    if (standing === undefined) return undefined;
    if (standing.name === name) return refusal(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
    return refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, collisionMessage(name, standing.name));
  }

  /** A failure is no reason to take the answer back: the alteration stands, and writers bring it along as they go. */
  async #bringIntoLogs(topics: readonly { readonly topicId: TopicId }[], signal: AbortSignal): Promise<void> {
    const { cluster, logJournals, logger, clock } = this.#options;
    for (const [index, { topicId }] of topics.entries()) {
      // A broker that starts looks at all there are, and its first requests come meanwhile.
      if (index > 0 && index % TOPICS_PER_TURN === 0) await clock.endOfTurn();
      const placement = cluster.find(topicId);
      if (placement === undefined) continue;
      try {
        await updateOpenPartitions(logJournals, placement, signal);
      } catch (error) {
        logger.warn("a topic's settings are not in all log journals yet", { topicId, error: describeError(error) });
      }
    }
  }

  async #propose(command: ClusterCommand, signal: AbortSignal): Promise<ClusterOutcome> {
    const { outcome } = await this.#options.journal.propose(command, { lane: "topics", signal });
    return outcome;
  }
}

function tooFewPartitions(name: string, counts: { readonly standing: number; readonly asked: number }): Refusal {
  const { standing, asked } = counts;
  const message =
    asked === standing
      ? `Topic already has ${asked} partition(s).`
      : `The topic ${name} currently has ${standing} partition(s); ${asked} would not be an increase.`;
  return refusal(ErrorCode.INVALID_PARTITIONS, message);
}
