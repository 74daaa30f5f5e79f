import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { CLUSTER_JOURNAL_ID, clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { ClusterView } from "#lib/cluster/cluster-view.ts";
import { ProducerIds } from "#lib/cluster/producer-ids.ts";
import { TopicAdmin } from "#lib/cluster/topic-admin.ts";
import { type GroupJournals, newGroupJournals } from "#lib/coordinator/group-journals.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import { type LogJournals, newLogJournals } from "#lib/log/log-journals.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

export const NEVER = new AbortController().signal;
export const FOR_GOOD = { validateOnly: false, signal: NEVER };
export const VALIDATE_ONLY = { validateOnly: true, signal: NEVER };
export const LOG_JOURNAL_COUNT = 3;
export const GROUP_JOURNAL_COUNT = 2;

export function topicIdOf(n: number): TopicId {
  const bytes = new Uint8Array(16);
  bytes[0] = 1;
  bytes[15] = n;
  return uuidFromBytes(bytes);
}

export function newTopic(name: string, fields: { partitionCount?: number; configs?: Record<string, string> } = {}) {
  return {
    name,
    partitionCount: fields.partitionCount ?? 4,
    replicationFactor: -1,
    configs: new Map(Object.entries(fields.configs ?? {})),
  };
}

/** One journal service with as many processes as a test starts. */
export class ClusterWorld {
  readonly clock = new ManualClock();
  readonly journalService = new MemoryJournalService(this.clock);
  readonly objects = new MemoryJournalObjects();
  #seed = 1;

  async start(
    options: {
      readonly faults?: JournalFaultPlan;
      readonly startConfigs?: ReadonlyMap<string, string>;
      readonly storeCount?: number;
      /** Of a process that has not been brought up to date. */
      readonly featureLevel?: number;
    } = {},
  ): Promise<ClusterProcess> {
    const seed = this.#seed++;
    const memory = this.journalService.connect(options.faults);
    const shared = { journal: memory, objects: this.objects, clock: this.clock, logger: SILENT_LOGGER };
    const journal = new ReplicatedState({
      ...shared,
      id: CLUSTER_JOURNAL_ID,
      machine: { ...clusterStateMachine, featureLevel: options.featureLevel ?? clusterStateMachine.featureLevel },
      random: new SeededRandom(seed),
    });
    let next = seed * 1_000;
    const logJournals = newLogJournals({
      count: LOG_JOURNAL_COUNT,
      create: (id) =>
        new ReplicatedState({ ...shared, id, machine: logStateMachine, random: new SeededRandom(next++) }),
      signal: NEVER,
    });
    await this.run(journal.open(NEVER));
    const groupJournals = newGroupJournals({
      count: GROUP_JOURNAL_COUNT,
      create: (id) =>
        new ReplicatedState({ ...shared, id, machine: groupStateMachine, random: new SeededRandom(next++) }),
      signal: NEVER,
    });
    const storeCount = options.storeCount ?? 1;
    const view = new ClusterView({ journal, brokerId: 7, startConfigs: options.startConfigs ?? new Map(), storeCount });
    const random = new SeededRandom(seed * 7_919);
    const admin = new TopicAdmin({
      cluster: view,
      journal,
      logJournals,
      groupJournals,
      storeCount,
      clock: this.clock,
      random,
      logger: SILENT_LOGGER,
      signal: NEVER,
    });
    return { memory, journal, logJournals, groupJournals, view, admin, producerIds: new ProducerIds(journal) };
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }
}

export interface ClusterProcess {
  readonly memory: MemoryJournal;
  readonly journal: ReplicatedState<ClusterState, ClusterCommand, ClusterOutcome>;
  readonly logJournals: LogJournals;
  readonly groupJournals: GroupJournals;
  readonly view: ClusterView;
  readonly admin: TopicAdmin;
  readonly producerIds: ProducerIds;
}
