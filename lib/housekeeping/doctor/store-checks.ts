import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { MARKER_KEY, uploadEpochOf } from "#lib/storage/object-keys.ts";
import { encodeStoreMarker, parseStoreMarker } from "#lib/storage/store-marker.ts";
import { type ObjectKey, type StoreId, uuidToBytes } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { STRANGERS_TOLD_MAX } from "#lib/util/limits.ts";
import type { Findings, Note } from "./finding.ts";
import type { DoctorPorts, ObjectSource } from "./ports.ts";
import type { StorePresence } from "./store-presence.ts";

interface ExamContext {
  readonly ports: DoctorPorts;
  readonly presence: StorePresence;
  readonly findings: Findings;
  readonly signal: AbortSignal;
}

const LIST_LIMIT = 1_000;
const RIGHT_STORE = "mount or copy the right store there, or bring its marker.json back from a backup";

/** The marker of each store that is there is whole, and the one that the cluster journal remembers. */
export async function checkMarkers(
  cluster: ClusterState | undefined,
  { ports, presence, findings, signal }: ExamContext,
): Promise<void> {
  for (const [id, store] of [...ports.stores].sort(([a], [b]) => a - b)) {
    if (presence.isAway(id)) continue;
    const what = await markerProblem(id, store);
    if (what !== undefined) findings.add({ kind: "store-marker", where: `store ${id}`, what, remedy: RIGHT_STORE });
  }

  async function markerProblem(id: StoreId, store: ObjectSource): Promise<string | undefined> {
    try {
      const bytes = await store.get(MARKER_KEY, signal);
      findings.tally.bytes += bytes.byteLength;
      const marker = parseStoreMarker(bytes);
      if (Buffer.compare(encodeStoreMarker(marker), bytes) !== 0)
        return "its marker has bytes that none is written with";
      if (marker.storeId !== id) return `its marker is that of store ${marker.storeId}`;
      const known = cluster?.stores.get(id);
      if (known === undefined) return undefined;
      const identity = Buffer.from(uuidToBytes(known.identity) ?? []).toString("hex");
      if (identity === marker.identity) return undefined;
      return `its identity is ${marker.identity}, the cluster journal knows it as ${identity}`;
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      return describeError(error);
    }
  }
}

/** Counts what lies in the stores and is named by no record, and tells what is none of ours. */
export async function countOrphans(
  { ports, presence, findings, signal }: ExamContext,
  isNamed: (key: ObjectKey) => boolean,
): Promise<void> {
  for (const [id, store] of ports.stores) {
    if (presence.isAway(id)) continue;
    for (let startAfter = "", isTruncated = true; isTruncated; ) {
      try {
        const listing = await store.list({ prefix: "", startAfter, limit: LIST_LIMIT }, signal);
        for (const { key, byteLength } of listing.objects) {
          if (key === MARKER_KEY || isNamed(key)) continue;
          if (uploadEpochOf(key) === undefined) noteStranger(id, key, findings);
          else {
            findings.tally.orphans++;
            findings.tally.orphanBytes += byteLength;
          }
        }
        startAfter = listing.objects.at(-1)?.key ?? "";
        isTruncated = listing.isTruncated && listing.objects.length > 0;
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        const remedy = "see to the disk, then run doctor again";
        findings.add({ kind: "store-unreadable", where: `store ${id}`, what: describeError(error), remedy });
        isTruncated = false;
      }
    }
  }
}

/** So many are named; the rest would say no more. */
function noteStranger(storeId: StoreId, key: ObjectKey, findings: Findings): void {
  findings.tally.strangers++;
  if (findings.tally.strangers <= STRANGERS_TOLD_MAX) findings.note(strangerNote(storeId, key));
}

export function strangerNote(storeId: StoreId, key: ObjectKey): Note {
  return {
    kind: "stranger",
    where: `store ${storeId} object ${key}`,
    what: "Millrace did not write it and does not touch it",
  };
}
