import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { GroupJournals } from "#lib/coordinator/group-journals.ts";
import { GroupCoordinator } from "#lib/coordinator/shell/group-coordinator.ts";
import type { JoinRequest, JoinResult } from "#lib/coordinator/shell/join-calls.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { bytesOf, GROUP, TOPIC } from "./group-fixtures.ts";
import { GroupWorld, NEVER } from "./group-world.ts";

const SETTINGS: Readonly<Record<string, number>> = {
  "group.min.session.timeout.ms": 6_000,
  "group.max.session.timeout.ms": 1_800_000,
  "group.initial.rebalance.delay.ms": 3_000,
  "group.max.size": 10,
  "group.consumer.session.timeout.ms": 45_000,
  "group.consumer.heartbeat.interval.ms": 5_000,
  "group.consumer.max.size": 10,
};

const LISTS: Readonly<Record<string, readonly string[]>> = {
  "group.consumer.assignors": ["uniform", "range"],
  "group.consumer.migration.policy": ["bidirectional"],
};

const ORDERS = { topicId: TOPIC, partitionCount: 4 };

/** What one process serves groups with. */
export interface CoordinatorProcess {
  readonly coordinator: GroupCoordinator;
  readonly journals: GroupJournals;
  /** Ends as a process that is killed: nothing more is proposed. */
  kill(): void;
}

/** Group coordinators over one journal service, and a clock that tests move. */
export class CoordinatorWorld extends GroupWorld {
  #processes = 0;

  /** `settings` are read anew each time; `catchUp` is what the process does to learn of others' changes of them. */
  start(
    settings: Readonly<Record<string, number>> = {},
    faults?: JournalFaultPlan,
    clock: Clock = this.clock,
    catchUp: () => Promise<void> = async () => undefined,
  ): CoordinatorProcess {
    const journals = this.process(faults);
    const stopping = new AbortController();
    const settingOf = (name: string) => settings[name] ?? SETTINGS[name] ?? Number.NaN;
    const coordinator = new GroupCoordinator({
      journals,
      topics: {
        brokerInteger: settingOf,
        groupInteger: (_, name) => settingOf(`group.${name}`),
        brokerList: (name) => LISTS[name] ?? [],
        view: () => ({ clusterSeq: 1, names: ["orders"], topic: (name) => (name === "orders" ? ORDERS : undefined) }),
        nameOf: () => "orders",
        freshen() {},
        catchUp,
      },
      clock,
      random: new SeededRandom(1_000 + this.#processes++),
      logger: SILENT_LOGGER,
      journalPollMs: 100,
      signal: stopping.signal,
    });
    return {
      coordinator,
      journals,
      kill() {
        stopping.abort(new Error("killed"));
        coordinator[Symbol.dispose]();
      },
    };
  }
}

export function joinRequestOf(fields: Partial<JoinRequest> = {}): JoinRequest {
  return {
    groupId: GROUP,
    memberId: "",
    groupInstanceId: undefined,
    clientId: "client",
    clientHost: "/127.0.0.1",
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: bytesOf("topics") }],
    knowsMemberIdRequired: false,
    canSkipAssignment: true,
    ...fields,
  };
}

/** A client of a group: remembers who it is, as consumers do. */
export class TestMember {
  readonly fields: Partial<JoinRequest>;
  process: CoordinatorProcess;
  memberId = "";
  generationId = -1;
  joined: JoinResult | undefined;

  constructor(process: CoordinatorProcess, fields: Partial<JoinRequest> = {}) {
    this.process = process;
    this.fields = fields;
  }

  get isLeader(): boolean {
    return this.joined?.leaderId === this.memberId;
  }

  async join(): Promise<JoinResult> {
    const request = joinRequestOf({ ...this.fields, memberId: this.memberId });
    const joined = await this.process.coordinator.join(request, NEVER);
    this.memberId = joined.memberId;
    this.generationId = joined.generationId;
    this.joined = joined;
    return joined;
  }

  /** A leader gives each member its own id to own. */
  async sync(): Promise<string> {
    const members = this.isLeader ? (this.joined?.members ?? []) : [];
    const { assignment } = await this.process.coordinator.members.sync(
      {
        ...this.#identity,
        protocolType: undefined,
        protocolName: undefined,
        assignments: members.map(({ memberId }) => ({ memberId, assignment: bytesOf(`for ${memberId}`) })),
      },
      NEVER,
    );
    return Buffer.from(assignment).toString();
  }

  async joinAndSync(): Promise<string> {
    await this.join();
    return this.sync();
  }

  heartbeat(): Promise<number> {
    return this.process.coordinator.members.heartbeat(this.#identity, NEVER);
  }

  commit(offset: number): Promise<number> {
    const { generationId: generationIdOrMemberEpoch, ...member } = this.#identity;
    const partition = { partitionIndex: 0, offset, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
    return this.process.coordinator.offsets.commit(
      { ...member, generationIdOrMemberEpoch, knowsMemberEpochs: false },
      async () => ({ clusterSeq: 1, topics: [{ topicId: TOPIC, partitions: [partition] }] }),
      NEVER,
    );
  }

  get #identity() {
    return {
      groupId: this.fields.groupId ?? GROUP,
      memberId: this.memberId,
      groupInstanceId: this.fields.groupInstanceId,
      generationId: this.generationId,
    };
  }
}
