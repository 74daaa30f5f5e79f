import type { KeyedRecord } from "./cities.ts";

export interface StoredRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

export interface Difference {
  readonly records: number;
  /** Sent and not there. */
  readonly lost: number;
  /** There more often than sent, or never sent at all. */
  readonly duplicated: number;
  /** Before a record of its key that was sent before it. */
  readonly reordered: number;
  /** Records of a key that stand in another partition than the key's first. */
  readonly astray: number;
  /** Offsets that do not follow the one before. */
  readonly gaps: number;
}

export const isSame = (difference: Difference): boolean =>
  difference.lost + difference.duplicated + difference.reordered + difference.astray + difference.gaps === 0;

/** Compares what a topic holds, by partition, with what was sent, in order: content, count and the order of each key. */
export function compare(sent: readonly KeyedRecord[], partitions: readonly (readonly StoredRecord[])[]): Difference {
  // The places of each record in its key's order. Equal records of one key are the same to a reader: first come,
  // first served.
  const places = new Map<string, number[]>();
  const lengths = new Map<string, number>();
  for (const { key, value } of sent) {
    const place = lengths.get(key) ?? 0;
    lengths.set(key, place + 1);
    const id = `${key}\t${value}`;
    const known = places.get(id);
    if (known === undefined) places.set(id, [place]);
    else known.push(place);
  }
  let [records, duplicated, reordered, astray, gaps] = [0, 0, 0, 0, 0];
  const newest = new Map<string, number>();
  const homes = new Map<string, number>();
  for (const [partition, stored] of partitions.entries()) {
    for (const [i, { offset, key, value }] of stored.entries()) {
      records += 1;
      if (offset !== i) gaps += 1;
      const name = key ?? "";
      if ((homes.get(name) ?? partition) !== partition) astray += 1;
      else homes.set(name, partition);
      const place = places.get(`${name}\t${value}`)?.shift();
      if (place === undefined) {
        duplicated += 1;
        continue;
      }
      if (place < (newest.get(name) ?? -1)) reordered += 1;
      newest.set(name, Math.max(place, newest.get(name) ?? -1));
    }
  }
  const lost = [...places.values()].reduce((sum, left) => sum + left.length, 0);
  return { records, lost, duplicated, reordered, astray, gaps };
}
