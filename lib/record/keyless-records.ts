import { scanRecords } from "./record-reader.ts";

/**
 * The places of the records without a key in `batch`, which is exactly one batch: at most `countMax`, the first ones.
 * Walks the records, so a compressed batch is decompressed. Fails as `scanRecords` does.
 */
export function keylessRecords(batch: Uint8Array, countMax: number): readonly number[] {
  const places: number[] = [];
  let place = 0;
  for (const record of scanRecords(batch)) {
    if (record.key === null) places.push(place);
    if (places.length === countMax) break;
    place++;
  }
  return places;
}
