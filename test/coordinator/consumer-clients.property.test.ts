import fc from "fast-check";
import { expect, test } from "vitest";
import { difference, haveSamePartitions, intersection, sizeOf } from "#lib/coordinator/assignment-sets.ts";
import { followUpHeartbeat } from "#lib/coordinator/consumer-heartbeat.ts";
import { topicNamesOf } from "#lib/coordinator/consumer-target.ts";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import { checkConsumerGroup, PastEpochs } from "./consumer-checks.ts";
import { beatOf, FoldedConsumers, heartbeatOf, viewOf } from "./consumer-fixtures.ts";
import { encodedState, GROUP, reloaded } from "./group-fixtures.ts";

// Clients as KIP-848 wants them, against the fold: what they own they give up in their own time, answers get lost,
// members die and come again, topics grow, and targets come late. No partition may ever have two owners among them.

const SUBSCRIPTIONS = [["t1"], ["t1", "t2"], ["t2", "t3"], ["t3"]] as const;
const REGEXES = ["t.*", "t[12]", ""] as const;

interface Step {
  readonly client: number;
  readonly kind:
    | "beat"
    | "beat"
    | "lost"
    | "apply"
    | "leave"
    | "die"
    | "subscribe"
    | "target"
    | "grow"
    | "pause"
    | "reload";
  readonly choice: number;
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    client: fc.integer({ min: 0, max: 4 }),
    kind: fc.constantFrom<Step["kind"][]>(
      ...(["beat", "beat", "beat", "beat", "beat", "lost", "apply", "apply", "apply", "leave", "die"] as const),
      ...(["subscribe", "target", "target", "target", "grow", "pause", "reload"] as const),
    ),
    choice: fc.integer({ min: 0, max: 11 }),
  }),
  { minLength: 20, maxLength: 120, size: "max" },
);

/** One consumer. It takes new partitions as soon as it hears of them, but gives up others only when told to apply. */
class Client {
  readonly groups: FoldedConsumers;
  readonly instanceId: string | undefined;
  memberId: string;
  epoch = 0;
  owned: Assignment = new Map();
  #told: Assignment = new Map();
  #topicNames: readonly string[];
  #regex: string | undefined;
  #mustTellAll = true;

  constructor(groups: FoldedConsumers, n: number) {
    this.groups = groups;
    this.memberId = `m${n}`;
    // Two of them are static.
    this.instanceId = n < 2 ? `i${n}` : undefined;
    this.#topicNames = SUBSCRIPTIONS[n % SUBSCRIPTIONS.length] ?? [];
  }

  subscribe(choice: number): void {
    this.#topicNames = SUBSCRIPTIONS[choice % SUBSCRIPTIONS.length] ?? [];
    this.#regex = choice < 6 ? "" : REGEXES[choice % REGEXES.length];
    this.#mustTellAll = true;
  }

  heartbeat({ isLost }: { isLost: boolean }): void {
    const { memberId, epoch, instanceId, owned } = this;
    const isFull = this.#mustTellAll || epoch === 0;
    const all = { subscribedTopicNames: this.#topicNames, subscribedTopicRegex: this.#regex };
    const command = isFull
      ? heartbeatOf(memberId, { memberEpoch: epoch, instanceId, owned, ...all })
      : beatOf(memberId, epoch, { instanceId, owned });
    let outcome = this.groups.fold(command);
    if (outcome.kind === "refused") {
      // Fenced, unknown or forgotten: whatever it owns is lost, and it joins anew.
      this.#reset();
      return;
    }
    if (outcome.kind !== "consumer-heartbeat") throw new Error(outcome.kind);
    if (isLost) {
      this.#mustTellAll = true;
      return;
    }
    const { assignment } = outcome;
    if (isFull) {
      const again = this.groups.fold(followUpHeartbeat(command, outcome));
      if (again.kind === "consumer-heartbeat") outcome = { ...again, assignment: again.assignment ?? assignment };
    }
    this.#mustTellAll = false;
    this.epoch = outcome.memberEpoch;
    if (outcome.assignment !== undefined) this.#told = outcome.assignment;
    this.#takeOver();
  }

  /** Partitions that it is to give up go first; only then does it take new ones. */
  apply(): void {
    this.owned = intersection(this.owned, this.#told);
    this.#takeOver();
  }

  #takeOver(): void {
    if (difference(this.owned, this.#told).size === 0) this.owned = this.#told;
  }

  leave({ isForAWhile }: { isForAWhile: boolean }): void {
    if (this.epoch === 0) return;
    const { memberId, instanceId } = this;
    this.groups.fold(beatOf(memberId, isForAWhile && instanceId !== undefined ? -2 : -1, { instanceId }));
    this.#reset();
    // A new process has another id.
    this.memberId = `${memberId}'`.slice(-6);
  }

  /** It is gone without a word, and its session expires. */
  die(): void {
    const group = this.groups.state.groups.get(GROUP);
    if (group?.membership.type !== "consumer") return;
    const seenSeq = group.membership.members.get(this.memberId)?.seenSeq;
    if (seenSeq === undefined) return;
    this.#reset();
    this.groups.fold({ kind: "expire-member", groupId: GROUP, memberId: this.memberId, seenSeq });
  }

  #reset(): void {
    this.epoch = 0;
    this.owned = new Map();
    this.#told = new Map();
  }
}

function checkOwners(clients: readonly Client[]): void {
  const owners = new Set<string>();
  for (const { owned } of clients) {
    for (const [topicId, list] of owned) {
      for (const partition of list) {
        expect(owners.has(`${topicId} ${partition}`)).toBe(false);
        owners.add(`${topicId} ${partition}`);
      }
    }
  }
}

class World {
  readonly groups = new FoldedConsumers();
  readonly clients = [0, 1, 2, 3, 4].map((n) => new Client(this.groups, n));
  readonly #past = new PastEpochs();
  readonly #counts: Record<number, number> = { 1: 3, 2: 2 };
  #clusterSeq = 1;

  take({ client: n, kind, choice }: Step): void {
    const client = this.clients[n];
    if (client === undefined) return;
    if (kind === "beat") client.heartbeat({ isLost: false });
    if (kind === "lost") client.heartbeat({ isLost: true });
    if (kind === "apply") client.apply();
    if (kind === "leave") client.leave({ isForAWhile: choice % 2 === 0 });
    if (kind === "die") client.die();
    if (kind === "subscribe") client.subscribe(choice);
    if (kind === "target") this.groups.settle();
    if (kind === "grow") this.#grow(choice);
    if (kind === "reload") this.groups.state = reloaded(this.groups.state);
    this.check();
  }

  check(): void {
    for (const group of this.groups.state.groups.values()) {
      this.#past.check(group);
      if (group.membership.type === "consumer") checkConsumerGroup(group.membership);
    }
    checkOwners(this.clients);
  }

  #grow(choice: number): void {
    const n = (choice % 3) + 1;
    this.#counts[n] = (this.#counts[n] ?? 0) + 1;
    this.groups.view = viewOf(this.#counts, ++this.#clusterSeq);
  }

  /** How many rounds of prompt heartbeats it takes until all members have what they are to have. */
  roundsToStable(): number {
    for (let round = 1; round < 50; round++) {
      for (const client of this.clients) {
        client.heartbeat({ isLost: false });
        client.apply();
        this.groups.settle();
        this.check();
      }
      if (this.#isStable()) return round;
    }
    return Number.POSITIVE_INFINITY;
  }

  #isStable(): boolean {
    const { members, groupEpoch, assignmentEpoch, targetAssignment } = this.groups.consumer;
    if (groupEpoch !== assignmentEpoch) return false;
    return [...members.values()].every(({ memberId, state, memberEpoch, assigned }) => {
      const hasTarget = haveSamePartitions(assigned, targetAssignment.get(memberId) ?? new Map());
      return memberEpoch === -2 || (state === "Stable" && memberEpoch === groupEpoch && hasTarget);
    });
  }

  /** Every partition of every topic that a member subscribes to has an owner. */
  checkComplete(): void {
    const { members, resolvedRegexes, targetAssignment } = this.groups.consumer;
    const names = new Set([...members.values()].flatMap((member) => [...topicNamesOf(member, resolvedRegexes)]));
    let expected = 0;
    for (const name of names) expected += this.groups.view.topic(name)?.partitionCount ?? 0;
    expect([...targetAssignment.values()].reduce((sum, target) => sum + sizeOf(target), 0)).toBe(expected);
  }
}

test("no partition ever has two owners, and all members come to their targets", () => {
  let longest = 0;
  fc.assert(
    fc.property(steps, (some) => {
      const world = new World();
      for (const step of some) world.take(step);
      const rounds = world.roundsToStable();
      longest = Math.max(longest, rounds);
      world.checkComplete();
      expect(encodedState(reloaded(world.groups.state))).toEqual(encodedState(world.groups.state));
    }),
    { numRuns: 150, seed: 11 },
  );
  // A few heartbeats of each member are enough whatever was under way.
  expect(longest).toBeLessThanOrEqual(6);
});
