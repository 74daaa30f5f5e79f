import type { SeededRandom } from "../../support/seeded-random.ts";
import type { Trouble } from "../network.ts";
import { logUniform, pick } from "../profile.ts";
import type { StoreWorld } from "../sim-object-store.ts";
import type { World } from "../world.ts";
import { markStore, unmarkStore } from "./marked-stores.ts";
import type { ReplicaProfile } from "./replica-profile.ts";

// Storms come over a world now and then: stores fail in all the ways they know, lose what they held, cannot be reached
// from here or there; the journal is away; processes die together. Between them there is peace.

const TROUBLES: readonly [Trouble, ...Trouble[]] = [
  { failure: 1 },
  { failure: 1 },
  { hang: 1 },
  { hang: 1 },
  { slow: 1 },
  { throttle: 1 },
  { failure: 0.5, lostAnswer: 0.3 },
  { lateEffect: 1 },
];

/** Begins something. */
type Begin = () => {
  readonly end: () => void;
  /** It ends before its time when this says so. */
  readonly isOver?: () => boolean;
};

const LOOK_MS = 250;

export async function runStorms(world: World, profile: ReplicaProfile, isDone: () => boolean): Promise<void> {
  const random = world.fork();
  const { scheduler } = world;
  const isOver = () => isDone() || world.isHealed;
  for (let left = profile.stormsMax; left > 0 && !isOver(); left--) {
    await scheduler.sleep(logUniform(random, profile.stormEveryMs / 10, profile.stormEveryMs * 2));
    if (isOver()) return;
    const stores = shuffled(random, world.stores);
    const works: Promise<void>[] = [];
    const count = 1 + random.below(profile.troublesMax);
    for (let index = 0; index < count; index++) {
      works.push(raise(world, { random, delayMs: random.below(5_000), ms: profile.troubleMs(random) }, draw(stores)));
    }
    await Promise.all(works);
  }

  function draw(stores: StoreWorld[]): Begin | undefined {
    const kind = random.below(1_000) / 1_000;
    const { routeRate, journalRate, massDeathRate } = profile;
    if (kind < routeRate) return breakRoute(world, random);
    if (kind < routeRate + journalRate) return breakJournal(world, random);
    if (kind < routeRate + journalRate + massDeathRate) return killMany(world, random);
    const store = stores.pop();
    return store === undefined ? undefined : breakStore(world, store, { ...profile, random });
  }
}

async function raise(
  world: World,
  times: { readonly random: SeededRandom; readonly delayMs: number; readonly ms: number },
  begin: Begin | undefined,
): Promise<void> {
  if (begin === undefined) return;
  await world.scheduler.sleep(times.delayMs);
  if (world.isHealed) return;
  world.calm.begin(begin);
  const { end, isOver } = begin();
  const stepMs = isOver === undefined ? times.ms : LOOK_MS;
  for (let leftMs = times.ms; leftMs > 0 && !isOver?.(); leftMs -= stepMs) {
    await world.scheduler.sleep(Math.min(leftMs, stepMs));
  }
  end();
  world.calm.end(begin);
}

function breakStore(
  world: World,
  store: StoreWorld,
  { random, lossRate }: Pick<ReplicaProfile, "lossRate"> & { readonly random: SeededRandom },
): Begin {
  const trouble = random.chance(0.6) ? pick(random, TROUBLES) : undefined;
  const isFull = trouble === undefined && random.chance(0.3);
  const isLossy = !isFull && random.chance(lossRate);
  const isBrief = isLossy && random.chance(0.6);
  const share = pick(random, [1, 1, 0.5, 0.1]);
  return () => {
    store.troubles.ofAll = trouble;
    store.isFull = isFull;
    store.service.isDown = trouble === undefined && !isFull;
    world.scheduler.trace(`store ${store.id} is in trouble: ${JSON.stringify(trouble ?? (isFull ? "full" : "away"))}`);
    const end = () => {
      if (isLossy && !world.isHealed && world.losses.mayLose(store.id) && isNoticed(world, store)) {
        world.losses.lose(store.id, share, random);
        if (share === 1 && random.chance(0.3)) loseMarker(world, store, random);
      }
      store.troubles.ofAll = undefined;
      store.isFull = false;
      store.service.isDown = false;
      world.scheduler.trace(`store ${store.id} is back`);
    };
    // Before anything has become of its absence.
    return isBrief ? { end, isOver: () => isNoticed(world, store) } : { end };
  };
}

/**
 * Whether every leader has seen the store fail: what a store loses that fails before nobody's eyes is found by whoever
 * reads it, and no sooner. Who comes to lead later looks for itself.
 */
function isNoticed({ truth, brokers }: World, store: StoreWorld): boolean {
  return truth.logJournals().every(({ state }) => {
    const leader = brokers.find(({ options }) => options.brokerId === state.leader.brokerId);
    return leader === undefined || (!leader.host.isFrozen && leader.health.isSuspect(store.id));
  });
}

/** A disk that is new altogether: nobody takes it for the store until an operator has brought the marker back. */
function loseMarker(world: World, store: StoreWorld, random: SeededRandom): void {
  const cause = {};
  world.calm.begin(cause);
  unmarkStore(store);
  world.scheduler.schedule(logUniform(random, 5_000, 600_000), () => {
    markStore(store);
    world.calm.end(cause);
  });
}

/** Several processes cannot reach a store, each another one. */
function breakRoute(world: World, random: SeededRandom): Begin {
  const share = pick(random, [0.4, 1]);
  const trouble = pick(random, TROUBLES);
  return () => {
    const broken: (() => void)[] = [];
    for (const { host } of world.brokers) {
      if (!random.chance(share)) continue;
      const ways = random.chance(0.2) ? world.journals : world.stores[random.below(world.stores.length)];
      if (ways === undefined) continue;
      ways.troubles.ofHosts.set(host.name, trouble);
      broken.push(() => ways.troubles.ofHosts.delete(host.name));
    }
    world.scheduler.trace(`${broken.length} ways are broken: ${JSON.stringify(trouble)}`);
    return {
      end() {
        for (const mend of broken) mend();
      },
    };
  };
}

function breakJournal(world: World, random: SeededRandom): Begin {
  const trouble = pick<Trouble>(random, [{ failure: 1 }, { hang: 1 }, { throttle: 1 }]);
  return () => {
    world.setJournalTrouble(trouble);
    return { end: () => world.setJournalTrouble(undefined) };
  };
}

function killMany(world: World, random: SeededRandom): Begin {
  const share = pick(random, [0.5, 1]);
  return () => {
    for (const { host } of [...world.brokers]) if (random.chance(share)) world.kill(host);
    return { end() {} };
  };
}

function shuffled<T>(random: SeededRandom, items: readonly T[]): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}
