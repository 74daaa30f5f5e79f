import { assert } from "#lib/util/assert.ts";

/** A place in a lane: empty until its item is ready. */
export interface Place<Item> {
  readonly lane: string;
  item: Item | undefined;
  isRemoved: boolean;
}

/**
 * What waits to be proposed. Order is kept within a lane; between lanes whoever is ready goes, so that one slow store
 * does not hold up the others (J7).
 */
export class LaneQueue<Item> {
  /** Sets, for all that wait may be given up at once, each from wherever it stands. */
  readonly #lanes = new Map<string, Set<Place<Item>>>();

  reserve(lane: string): Place<Item> {
    const place: Place<Item> = { lane, item: undefined, isRemoved: false };
    const places = this.#lanes.get(lane);
    if (places === undefined) this.#lanes.set(lane, new Set([place]));
    else places.add(place);
    return place;
  }

  fill(place: Place<Item>, item: Item): void {
    assert(place.item === undefined && !place.isRemoved, "a place in a lane is used once");
    place.item = item;
  }

  /** Gives the place up, if it is still in the queue. */
  remove(place: Place<Item>): void {
    place.isRemoved = true;
    const places = this.#lanes.get(place.lane);
    if (places?.delete(place) === true && places.size === 0) this.#lanes.delete(place.lane);
  }

  /**
   * Takes ready places from the front of every lane as long as `accept` says yes. After a no nothing more is taken,
   * and the lane that could not give all is the last one next time.
   */
  take(accept: (item: Item) => boolean): Place<Item>[] {
    const taken: Place<Item>[] = [];
    for (const [lane, places] of this.#lanes) {
      const { ready, isFull } = readyOf(places, accept);
      for (const place of ready) {
        places.delete(place);
        taken.push(place);
      }
      if (places.size === 0) this.#lanes.delete(lane);
      if (!isFull) continue;
      this.#lanes.delete(lane);
      this.#lanes.set(lane, places);
      break;
    }
    return taken;
  }

  /** Puts taken places back to the fronts of their lanes, in their order. */
  putBack(places: readonly Place<Item>[]): void {
    for (const lane of new Set(places.map((place) => place.lane).toReversed())) {
      const back = places.filter((place) => place.lane === lane);
      this.#lanes.set(lane, new Set([...back, ...(this.#lanes.get(lane) ?? [])]));
    }
  }

  /** Empties the queue; returns what was ready. */
  clear(): Item[] {
    const items: Item[] = [];
    for (const places of this.#lanes.values()) {
      for (const place of places) {
        place.isRemoved = true;
        if (place.item !== undefined) items.push(place.item);
      }
    }
    this.#lanes.clear();
    return items;
  }
}

function readyOf<Item>(places: Iterable<Place<Item>>, accept: (item: Item) => boolean) {
  const ready: Place<Item>[] = [];
  for (const place of places) {
    if (place.item === undefined) break;
    if (!accept(place.item)) return { ready, isFull: true };
    ready.push(place);
  }
  return { ready, isFull: false };
}
