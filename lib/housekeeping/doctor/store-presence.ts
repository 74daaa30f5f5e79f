import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { ObjectNotFoundError } from "#lib/storage/object-store.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import type { Findings } from "./finding.ts";
import type { DoctorPorts, ObjectSource } from "./ports.ts";

const BRING_BACK = "bring it back as it was (mount it, put its directory back) and run doctor again";

/** What depends on a store that is away. */
interface Absence {
  readonly why: string;
  /** Needed objects of which it is said to have a copy. */
  objects: number;
  /** Those of them that could be read nowhere else. */
  onlyThere: number;
}

/**
 * Tells stores that are away from stores that have lost something: of what lies in a store that is away nobody knows
 * whether it is lost.
 */
export class StorePresence {
  readonly #absences = new Map<StoreId, Absence>();

  /** Looks once at each store. */
  static async of(ports: Pick<DoctorPorts, "stores">, signal: AbortSignal): Promise<StorePresence> {
    const presence = new StorePresence();
    for (const [id, store] of ports.stores) {
      const why = await absenceOf(store, signal);
      if (why !== undefined) presence.#note(id, why);
    }
    return presence;
  }

  /** Stores that the cluster journal names are there, or away. */
  learn(cluster: ClusterState | undefined, ports: DoctorPorts): void {
    for (const id of cluster?.stores.keys() ?? []) {
      if (!ports.stores.has(id)) this.#note(id, "no store is in its place");
    }
  }

  isAway(id: StoreId): boolean {
    return this.#absences.has(id);
  }

  /** An object that is needed is said to lie in these stores, which are away. */
  noteNeeded(ids: readonly StoreId[], { isOnlyThere }: { readonly isOnlyThere: boolean }): void {
    for (const id of ids) {
      const absence = this.#absences.get(id);
      if (absence === undefined) continue;
      absence.objects++;
      if (isOnlyThere) absence.onlyThere++;
    }
  }

  report(findings: Pick<Findings, "add">): void {
    for (const [id, { why, objects, onlyThere }] of [...this.#absences].sort(([a], [b]) => a - b)) {
      const what = `it is away (${why}): ${objects} needed objects have copies there, ${onlyThere} of them nowhere else`;
      findings.add({ kind: "store-away", where: `store ${id}`, what, remedy: BRING_BACK });
    }
  }

  #note(id: StoreId, why: string): void {
    if (!this.#absences.has(id)) this.#absences.set(id, { why, objects: 0, onlyThere: 0 });
  }
}

/** Why the store counts as away; undefined if there is something, be it damaged. */
async function absenceOf(store: ObjectSource, signal: AbortSignal): Promise<string | undefined> {
  try {
    await store.get(MARKER_KEY, signal);
    return undefined;
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    if (error.kind === "corrupt") return undefined;
    if (!(error instanceof ObjectNotFoundError)) return describeError(error);
  }
  try {
    const { objects } = await store.list({ prefix: "", startAfter: "", limit: 1 }, signal);
    return objects.length === 0 ? "nothing is there" : undefined;
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return describeError(error);
  }
}
