import { MemoryJournalObjects } from "#lib/adapters/memory/memory-journal-objects.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import type { TopicsView } from "#lib/coordinator/consumer-target.ts";
import { type GroupStateMachine, groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { TimeLimitError } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import type { SeededRandom } from "../../support/seeded-random.ts";
import { Host } from "../host.ts";
import { type Faults, NO_FAULTS, newTroubles } from "../network.ts";
import { Scheduler, trueClock } from "../scheduler.ts";
import { type JournalWorld, SimJournal } from "../sim-journal.ts";
import type { GroupDecorations, GroupServices } from "./group-decorations.ts";
import { GroupJournalTruth } from "./group-journal-truth.ts";
import { AUDIT_ID, AUDIT_NAME, TOPIC_ID, TOPIC_NAME } from "./group-names.ts";
import { GroupProcess } from "./group-process.ts";
import type { GroupProfile } from "./group-profile.ts";
import { GroupTruth } from "./group-truth.ts";
import { SimGroup } from "./sim-group.ts";

const DEATHS_MAX = 12;
const ADDED_PARTITIONS = 2;

/** The journal service, the processes that serve the groups of one journal, and what is known to be true of them. */
export class GroupWorld {
  readonly scheduler = new Scheduler();
  readonly profile: GroupProfile;
  readonly truth: GroupJournalTruth;
  readonly groups: readonly SimGroup[];
  readonly problems: string[] = [];
  readonly processes: GroupProcess[] = [];
  isHealed = false;
  readonly #random: SeededRandom;
  readonly #decorations: GroupDecorations;
  readonly #machine: GroupStateMachine;
  readonly #journals: JournalWorld;
  readonly #objects = new MemoryJournalObjects();
  readonly #faults: Faults[] = [];
  #hostCount = 0;
  #deathsLeft = DEATHS_MAX;
  /** When walls jump by a day, and when the topic grows. */
  readonly #jumpAtMs: number;
  readonly #growAtMs: number;

  constructor(profile: GroupProfile, random: SeededRandom, decorations: GroupDecorations) {
    this.profile = profile;
    this.#random = random;
    this.#decorations = decorations;
    this.#machine = decorations.machine?.(groupStateMachine) ?? groupStateMachine;
    this.truth = new GroupJournalTruth(this.scheduler, this.#machine);
    this.groups = this.#newGroups();
    this.#journals = {
      troubles: newTroubles(),
      service: new MemoryJournalService(trueClock(this.scheduler), { checksTrimMark: random.chance(0.5) }),
      onAppended: (journal, seq, bytes) => this.truth.note(journal, seq, bytes),
    };
    this.#jumpAtMs = profile.spanMs / 2;
    this.#growAtMs = profile.growsTopic ? profile.spanMs * (0.2 + random.below(60) / 100) : Number.POSITIVE_INFINITY;
    for (let index = 0; index < profile.hostCount; index++) this.#start();
    this.#disturb(profile.killEveryMs, (host) => this.#kill(host));
    this.#disturb(profile.freezeEveryMs, (host) => this.#freeze(host));
  }

  fork(): SeededRandom {
    return this.#random.fork();
  }

  anyProcess(random: SeededRandom): GroupProcess | undefined {
    return this.processes[random.below(this.processes.length)];
  }

  /** As whoever asks the cluster now is told. */
  get partitionCount(): number {
    return this.profile.partitionCount + (this.scheduler.elapsedMs > this.#growAtMs ? ADDED_PARTITIONS : 0);
  }

  /** One request over the network; undefined if no answer comes in time, and then nobody knows what was done. */
  call<T>(
    process: GroupProcess,
    work: (services: GroupServices, signal: AbortSignal) => Promise<T>,
    options: { readonly random: SeededRandom; readonly timeoutMs: number },
  ): Promise<T | undefined> {
    const { scheduler } = this;
    const { random, timeoutMs } = options;
    const delayMs = (): number => 0.1 + random.below(300) / 100;
    const { host } = process;
    const hangUp = new AbortController();
    return new Promise((resolve) => {
      let isOver = false;
      const settle = (value: T | undefined): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        resolve(value);
      };
      const giveUp = (): void => {
        if (isOver) return;
        settle(undefined);
        host.deliver(delayMs(), () => hangUp.abort(new Error("the client hung up")));
      };
      const timer = scheduler.schedule(timeoutMs, giveUp);
      host.onDeath(() => scheduler.schedule(delayMs(), giveUp));
      if (host.isDead) scheduler.schedule(delayMs(), giveUp);
      host.deliver(delayMs(), () => {
        if (hangUp.signal.aborted) return;
        work(process.services, hangUp.signal).then(
          (value) => host.deliver(0, () => scheduler.schedule(delayMs(), () => settle(value))),
          (error: unknown) => {
            const isExpected = error instanceof LogError || error instanceof TimeLimitError || hangUp.signal.aborted;
            if (!isExpected) this.problems.push(`checkNoErrors: ${host.name}: ${describeError(error)}`);
            scheduler.schedule(delayMs(), giveUp);
          },
        );
      });
    });
  }

  /** From now on nothing goes wrong any more, and who slept is awake. */
  heal(): void {
    this.isHealed = true;
    for (const faults of this.#faults) faults.rates = NO_FAULTS;
    for (const { host } of this.processes) host.thaw();
  }

  #start(): void {
    const { profile, scheduler } = this;
    const random = this.fork();
    const name = `p${this.#hostCount}`;
    const skewMs = this.#hostCount++ % 2 === 1 ? profile.skewMs : 0;
    const host = new Host(scheduler, { name, random, skewMs, stopsMonotonic: random.chance(0.5) });
    const faults: Faults = {
      rates: this.isHealed ? NO_FAULTS : profile.journalRates,
      freeze: (frozen) => this.#freeze(frozen),
      kill: (killed) => this.#kill(killed),
    };
    this.#faults.push(faults);
    const lagMs = random.below(5_000);
    const { clock } = host;
    const nowMs = () => clock.nowMs() + (scheduler.elapsedMs > this.#jumpAtMs ? profile.skewMs : 0);
    const process = new GroupProcess({
      host,
      clock: {
        nowMs,
        monotonicMs: () => clock.monotonicMs(),
        sleep: (ms, signal) => clock.sleep(ms, signal),
        schedule: (ms, action) => clock.schedule(ms, action),
        endOfTurn: () => clock.endOfTurn(),
      },
      journal: new SimJournal(this.#journals, host, () => faults),
      objects: this.#objects,
      machine: this.#machine,
      profile,
      decorations: this.#decorations,
      view: this.#views(lagMs),
      onError: (text) => this.problems.push(`checkNoErrors: ${text}`),
    });
    this.processes.push(process);
    host.onDeath(() => {
      this.processes.splice(this.processes.indexOf(process), 1);
      scheduler.schedule(200 + random.below(5_000), () => this.#start());
    });
  }

  #newGroups(): readonly SimGroup[] {
    const { profile, scheduler, problems } = this;
    const { spanMs, retentionMs, sessionTimeoutMs: consumerSessionMs } = profile;
    const recordAtMs = (seq: JournalSeq) => this.truth.recordAtMs(seq);
    return profile.groups.map((members, index) => {
      const truth = new GroupTruth(`g${index}`, { scheduler, problems, consumerSessionMs, retentionMs, recordAtMs });
      this.truth.add(truth);
      return new SimGroup(truth, { profile: members, spanMs, problems });
    });
  }

  #views(lagMs: number): () => TopicsView {
    const names = [AUDIT_NAME, TOPIC_NAME];
    const viewOf = (clusterSeq: number, partitionCount: number): TopicsView => {
      const topics = new Map([
        [AUDIT_NAME, { topicId: AUDIT_ID, partitionCount: 1 }],
        [TOPIC_NAME, { topicId: TOPIC_ID, partitionCount }],
      ]);
      return { clusterSeq, names, topic: (name) => topics.get(name) };
    };
    const before = viewOf(1, this.profile.partitionCount);
    const after = viewOf(2, this.profile.partitionCount + ADDED_PARTITIONS);
    return () => (this.scheduler.elapsedMs > this.#growAtMs + lagMs ? after : before);
  }

  #disturb(everyMs: number, action: (host: Host) => void): void {
    if (everyMs === 0) return;
    const random = this.fork();
    const next = (): void => {
      if (this.isHealed) return;
      const process = this.anyProcess(random);
      if (process !== undefined) action(process.host);
      this.scheduler.schedule(2 * random.below(Math.ceil(everyMs)) + 1, next);
    };
    this.scheduler.schedule(2 * random.below(Math.ceil(everyMs)) + 1, next);
  }

  #kill(host: Host): void {
    if (!this.isHealed && this.#deathsLeft-- > 0) host.kill();
  }

  #freeze(host: Host): void {
    if (!this.isHealed) host.freeze(100 + host.random.below(this.profile.freezeMsMax));
  }
}
