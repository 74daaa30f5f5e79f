import type { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import type { TopicsView } from "#lib/coordinator/consumer-target.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import { newGroupJournals } from "#lib/coordinator/group-journals.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import type { GroupJournalState } from "#lib/coordinator/group-state.ts";
import type { GroupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { GroupCoordinator } from "#lib/coordinator/shell/group-coordinator.ts";
import { OffsetExpirer } from "#lib/housekeeping/offset-expirer.ts";
import type { Journal } from "#lib/journal/journal.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { LogError } from "#lib/util/errors.ts";
import type { Host } from "../host.ts";
import type { GroupDecorations, GroupServices } from "./group-decorations.ts";
import { NAMES_BY_ID } from "./group-names.ts";
import type { GroupProfile } from "./group-profile.ts";

type Replica = ReplicatedState<GroupJournalState, GroupCommand, GroupOutcome>;

export interface GroupProcessOptions {
  readonly host: Host;
  /** The host's clock, whose wall may jump. */
  readonly clock: Clock;
  readonly journal: Journal;
  readonly objects: MemoryJournalObjects;
  readonly machine: GroupStateMachine;
  readonly profile: GroupProfile;
  readonly decorations: GroupDecorations;
  /** The topics as this process sees them now. */
  readonly view: () => TopicsView;
  readonly onError: (text: string) => void;
}

const LISTS: Readonly<Record<string, readonly string[]>> = {
  "group.consumer.assignors": ["uniform", "range"],
  "group.consumer.migration.policy": ["bidirectional"],
};

/** What one process serves groups with. It looks after all groups from its beginning on. */
export class GroupProcess {
  readonly host: Host;
  readonly services: GroupServices;
  readonly #options: GroupProcessOptions;
  readonly #coordinator: GroupCoordinator;
  readonly #expirer: OffsetExpirer;
  readonly #stop = new AbortController();
  readonly #journals;
  #replica: Replica | undefined;

  constructor(options: GroupProcessOptions) {
    const { host, profile, decorations } = options;
    this.host = host;
    this.#options = options;
    const { random } = host;
    const { clock, journal, objects, machine } = options;
    const logger = errorLogger((message, error) => options.onError(`${host.name} ${message}: ${error}`));
    const { snapshotRecordsMin } = profile;
    this.#journals = newGroupJournals({
      count: 1,
      create: (id) => {
        const replica = new ReplicatedState({
          ...{ id, machine, journal, objects, clock, random, logger },
          snapshotRecordsMin,
        });
        this.#replica = replica;
        return replica;
      },
      signal: this.#stop.signal,
    });
    this.#coordinator = new GroupCoordinator({
      journals: this.#journals,
      topics: {
        brokerInteger: (name) => settingsOf(profile)[name] ?? Number.NaN,
        groupInteger: (_, name) => settingsOf(profile)[`group.${name}`] ?? Number.NaN,
        brokerList: (name) => LISTS[name] ?? [],
        view: options.view,
        nameOf: (topicId) => NAMES_BY_ID.get(topicId),
        freshen() {},
        catchUp: async () => undefined,
      },
      clock: decorations.clock?.(clock) ?? clock,
      random,
      logger,
      journalPollMs: 100,
      signal: this.#stop.signal,
    });
    this.services = decorations.services?.(this.#coordinator) ?? this.#coordinator;
    this.#expirer = new OffsetExpirer({
      journals: this.#journals,
      cluster: {
        brokerInteger: (name) => settingsOf(profile)[name] ?? Number.NaN,
        topic: (topicId) => {
          const name = NAMES_BY_ID.get(topicId);
          return name === undefined ? undefined : { name };
        },
      },
      clock,
      logger,
    });
    void this.#tend();
    void this.#expire();
  }

  /** The journal, once it has been opened. */
  get journal(): Replica | undefined {
    return this.#journals.opened(0) === undefined ? undefined : this.#replica;
  }

  get machine(): GroupStateMachine {
    return this.#options.machine;
  }

  async #tend(): Promise<void> {
    const { clock, profile, onError } = this.#options;
    const { signal } = this.#stop;
    for (;;) {
      try {
        await this.#coordinator.observeAll(signal);
        await this.journal?.takeSnapshot(signal);
        await this.journal?.trim(signal);
      } catch (error) {
        if (!(error instanceof LogError)) onError(`${this.host.name} cannot tend: ${describeError(error)}`);
      }
      await clock.sleep(this.journal === undefined ? 500 : profile.tendMs);
    }
  }

  async #expire(): Promise<void> {
    const { clock, profile, onError } = this.#options;
    for (;;) {
      await clock.sleep(profile.expireEveryMs);
      try {
        await this.#expirer.expireAll(this.#stop.signal);
      } catch (error) {
        onError(`${this.host.name} cannot expire offsets: ${describeError(error)}`);
      }
    }
  }
}

function settingsOf(profile: GroupProfile): Readonly<Record<string, number>> {
  return {
    "group.min.session.timeout.ms": 6_000,
    "group.max.session.timeout.ms": 1_800_000,
    "group.initial.rebalance.delay.ms": profile.initialDelayMs,
    "group.max.size": 100,
    "group.consumer.session.timeout.ms": profile.sessionTimeoutMs,
    "group.consumer.heartbeat.interval.ms": profile.heartbeatMs,
    "group.consumer.max.size": 100,
    // A fraction of a minute, so that a world of minutes sees offsets expire.
    "offsets.retention.minutes": profile.retentionMs / 60_000,
  };
}

function errorLogger(onError: (message: string, error: string) => void): Logger {
  const quiet = { debug() {}, info() {}, warn() {} };
  return { ...quiet, error: (message, fields = {}) => onError(message, String(fields["error"] ?? "")) };
}
