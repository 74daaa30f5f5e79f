import { hasHash, type JournalObjectRef } from "#lib/journal/journal-objects.ts";
import type { WriteAheadObject } from "#lib/log/log-state.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { isObjectKey, parseWriteAheadKey } from "#lib/storage/object-keys.ts";
import { ObjectNotFoundError } from "#lib/storage/object-store.ts";
import { verifyWriteAheadSegment } from "#lib/storage/verify-write-ahead-segment.ts";
import { type ObjectKey, objectKey, type StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { DOCTOR_CACHE_BYTES_MAX } from "#lib/util/limits.ts";
import { type Finding, type Findings, RESTORE_OBJECT } from "./finding.ts";
import type { DoctorPorts } from "./ports.ts";

/** What a record says of an object. */
export type ObjectClaim = Pick<WriteAheadObject, "key" | "flushId" | "byteLength" | "copies">;

type Copy =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "missing"; readonly what: string }
  | { readonly kind: "unreadable"; readonly what: string };

/**
 * Reads each object's copies once and checks every byte of them. A flush touches several journals, which are walked
 * side by side, so the last objects are kept for the next journal's command.
 */
export class ObjectExam {
  readonly #ports: DoctorPorts;
  readonly #findings: Findings;
  readonly #signal: AbortSignal;
  /** Every object that a record names, and a store with a good copy. */
  readonly #examined = new Map<ObjectKey, StoreId | undefined>();
  readonly #kept = new Map<ObjectKey, Uint8Array>();
  #keptBytes = 0;
  /** Whether a missing copy is damage is known only when all journals have been read to their ends. */
  readonly #missing = new Map<ObjectKey, Finding[]>();

  constructor(ports: DoctorPorts, findings: Findings, signal: AbortSignal) {
    this.#ports = ports;
    this.#findings = findings;
    this.#signal = signal;
  }

  isNamed(key: ObjectKey): boolean {
    return this.#examined.has(key);
  }

  /** A good copy of a write-ahead segment; undefined without one, and then there are findings. */
  async segment(claim: ObjectClaim, where: string): Promise<Uint8Array | undefined> {
    if (!isObjectKey(claim.key)) {
      this.#findings.add({ kind: "object-key", where, what: `${claim.key} is no object key`, remedy: RESTORE_OBJECT });
      return undefined;
    }
    const known = this.#kept.get(claim.key);
    if (known !== undefined) return known;
    if (this.#examined.has(claim.key)) return this.#readAgain(claim.key);
    const named = parseWriteAheadKey(claim.key)?.flushId;
    const check = (bytes: Uint8Array): readonly string[] => {
      const problems = verifyWriteAheadSegment(bytes, claim.flushId).map(
        (one) => `byte ${one.position}: ${one.problem}`,
      );
      if (bytes.byteLength !== claim.byteLength) {
        problems.unshift(`it has ${bytes.byteLength} bytes, its record says ${claim.byteLength}`);
      }
      if (named !== undefined && named !== claim.flushId) problems.unshift(`its record is of flush ${claim.flushId}`);
      return problems;
    };
    return this.#examineCopies({ ...claim, where }, check);
  }

  /** A good copy of what a journal keeps outside itself. */
  async journalObject(ref: JournalObjectRef, where: string): Promise<Uint8Array | undefined> {
    const { copies } = ref;
    if (!isObjectKey(ref.key)) {
      this.#findings.add({ kind: "object-key", where, what: `${ref.key} is no object key`, remedy: RESTORE_OBJECT });
      return undefined;
    }
    const key = objectKey(ref.key);
    if (this.#examined.has(key)) return this.#readAgain(key);
    const check = (bytes: Uint8Array) =>
      hasHash(bytes, ref) ? [] : ["its bytes do not have the hash of its reference"];
    const bytes = await this.#examineCopies({ key, copies, where }, check);
    // Nothing makes up for it later: a pointer or a command that stands needs its object.
    this.reportMissing(key);
    return bytes;
  }

  /** Turns what was missing of an object that is still needed into findings. */
  reportMissing(key: ObjectKey): void {
    for (const finding of this.#missing.get(key) ?? []) this.#findings.add(finding);
    this.#missing.delete(key);
  }

  reportAllMissing(): void {
    for (const key of [...this.#missing.keys()]) this.reportMissing(key);
  }

  async #examineCopies(
    claim: { readonly key: ObjectKey; readonly copies: readonly StoreId[]; readonly where: string },
    check: (bytes: Uint8Array) => readonly string[],
  ): Promise<Uint8Array | undefined> {
    const { key, copies } = claim;
    this.#examined.set(key, undefined);
    let good: Uint8Array | undefined;
    for (const store of copies) {
      const where = `store ${store} object ${key}`;
      const copy = await this.#read(store, key);
      if (copy.kind === "read") {
        this.#findings.tally.objects++;
        this.#findings.tally.bytes += copy.bytes.byteLength;
        const problems = check(copy.bytes);
        for (const what of problems) {
          this.#findings.add({ kind: "object-damaged", where, what, remedy: RESTORE_OBJECT });
        }
        if (problems.length > 0 || good !== undefined) continue;
        good = copy.bytes;
        this.#examined.set(key, store);
        this.#keep(key, good);
        continue;
      }
      const what = `${copy.what}, named by ${claim.where}`;
      const finding = { kind: `object-${copy.kind}`, where, what, remedy: RESTORE_OBJECT };
      if (copy.kind === "unreadable") this.#findings.add(finding);
      else this.#missing.set(key, [...(this.#missing.get(key) ?? []), finding]);
    }
    if (copies.length === 0) {
      const what = `${claim.where} names no store that has it`;
      this.#findings.add({ kind: "object-copies", where: `object ${key}`, what, remedy: RESTORE_OBJECT });
    }
    return good;
  }

  async #readAgain(key: ObjectKey): Promise<Uint8Array | undefined> {
    const store = this.#examined.get(key);
    if (store === undefined) return undefined;
    const copy = await this.#read(store, key);
    if (copy.kind !== "read") return undefined;
    this.#keep(key, copy.bytes);
    return copy.bytes;
  }

  async #read(id: StoreId, key: ObjectKey): Promise<Copy> {
    const store = this.#ports.stores.get(id);
    if (store === undefined) return { kind: "missing", what: "there is no such store here" };
    try {
      const bytes = await store.get(key, this.#signal);
      return { kind: "read", bytes };
    } catch (error) {
      if (error instanceof ObjectNotFoundError) return { kind: "missing", what: "it does not exist" };
      if (error instanceof LogError) return { kind: "unreadable", what: describeError(error) };
      throw error;
    }
  }

  #keep(key: ObjectKey, bytes: Uint8Array): void {
    this.#kept.set(key, bytes);
    this.#keptBytes += bytes.byteLength;
    for (const [oldest, kept] of this.#kept) {
      if (this.#keptBytes <= DOCTOR_CACHE_BYTES_MAX || oldest === key) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= kept.byteLength;
    }
  }
}
