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
import type { StorePresence } from "./store-presence.ts";

export interface ObjectExamOptions {
  readonly ports: DoctorPorts;
  readonly presence: StorePresence;
  readonly findings: Findings;
  readonly signal: AbortSignal;
}

/** What a record says of an object. */
export type ObjectClaim = Pick<WriteAheadObject, "key" | "flushId" | "byteLength" | "copies">;

interface CopiesClaim {
  readonly key: ObjectKey;
  readonly copies: readonly StoreId[];
  readonly where: string;
}

/** What is wrong with the bytes. */
type CopyCheck = (bytes: Uint8Array) => readonly string[];

interface CopyProblem {
  readonly kind: "missing" | "unreadable" | "damaged";
  readonly storeId: StoreId;
  readonly what: string;
}

interface Trouble {
  readonly findings: readonly Finding[];
  /** Stores that are said to have it and are away. */
  readonly awayIds: readonly StoreId[];
  /** Whether a whole copy was read somewhere. */
  readonly isFound: boolean;
}

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
  readonly #presence: StorePresence;
  readonly #findings: Findings;
  readonly #signal: AbortSignal;
  /** Every object that was looked at because a record names it, and a store with a good copy. */
  readonly #examined = new Map<ObjectKey, StoreId | undefined>();
  /** Those that a record names, and that are not looked at unless the newest state needs them. */
  readonly #named = new Set<ObjectKey>();
  readonly #kept = new Map<ObjectKey, Uint8Array>();
  #keptBytes = 0;
  /** Objects of which no copy could be read, and one may be in a store that is away. */
  readonly #unread = new Set<string>();
  /** Whether a bad copy is damage is known only when all journals have been read to their ends. */
  readonly #troubles = new Map<ObjectKey, Trouble>();

  constructor({ ports, presence, findings, signal }: ObjectExamOptions) {
    this.#ports = ports;
    this.#presence = presence;
    this.#findings = findings;
    this.#signal = signal;
  }

  isNamed(key: ObjectKey): boolean {
    return this.#examined.has(key) || this.#named.has(key);
  }

  isExamined(key: ObjectKey): boolean {
    return this.#examined.has(key);
  }

  noteNamed(key: ObjectKey): void {
    this.#named.add(key);
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

  /**
   * A good copy of what a journal keeps outside itself. While brokers run, what names it may be trimmed and the object
   * deleted before we come to it: `isStillNamed` looks again before anything is said, and if not, it was never there.
   */
  async journalObject(
    ref: JournalObjectRef,
    where: string,
    isStillNamed: () => Promise<boolean>,
  ): Promise<Uint8Array | undefined> {
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
    if (this.hasTrouble(key) && !(await isStillNamed())) {
      this.#troubles.delete(key);
      this.#unread.delete(key);
      if (bytes === undefined) this.#examined.delete(key);
    }
    // Nothing makes up for it later: a pointer or a command that stands needs its object.
    this.reportNeeded(key);
    return bytes;
  }

  /** Whether the object could not be read, and may be whole in a store that is away. */
  mayBeAway(key: string): boolean {
    return this.#unread.has(key);
  }

  /** Whether something is wrong with a copy, or one is away; it is told by `reportNeeded`. */
  hasTrouble(key: ObjectKey): boolean {
    return this.#troubles.has(key);
  }

  /** Turns what was wrong with an object that is still needed into findings. */
  reportNeeded(key: ObjectKey): void {
    const trouble = this.#troubles.get(key);
    if (trouble === undefined) return;
    this.#troubles.delete(key);
    for (const finding of trouble.findings) this.#findings.add(finding);
    this.#presence.noteNeeded(trouble.awayIds, { isOnlyThere: !trouble.isFound });
  }

  reportAllNeeded(): void {
    for (const key of [...this.#troubles.keys()]) this.reportNeeded(key);
  }

  async #examineCopies(claim: CopiesClaim, check: CopyCheck): Promise<Uint8Array | undefined> {
    const { key, copies } = claim;
    this.#examined.set(key, undefined);
    const problems: CopyProblem[] = [];
    let good: Uint8Array | undefined;
    for (const store of copies) {
      if (this.#presence.isAway(store)) continue;
      const bytes = await this.#examineCopy(store, key, { check, onProblem: (problem) => problems.push(problem) });
      good ??= bytes;
    }
    // The record says who had it at its commit; others may have got it since.
    for (const store of this.#ports.stores.keys()) {
      if (good !== undefined) break;
      if (copies.includes(store) || this.#presence.isAway(store)) continue;
      good = await this.#examineCopy(store, key, { check, onProblem: () => {} });
    }
    if (copies.length === 0) {
      const what = `${claim.where} names no store that has it`;
      this.#findings.add({ kind: "object-copies", where: `object ${key}`, what, remedy: RESTORE_OBJECT });
    }
    this.#noteTrouble(claim, problems);
    return good;
  }

  #noteTrouble({ key, copies, where }: CopiesClaim, problems: readonly CopyProblem[]): void {
    const awayIds = copies.filter((id) => this.#presence.isAway(id));
    if (problems.length === 0 && awayIds.length === 0) return;
    const store = this.#examined.get(key);
    const isFound = store !== undefined;
    if (!isFound && awayIds.length > 0) this.#unread.add(key);
    const remedy = remedyOf(store, awayIds);
    const findings = problems.map(({ kind, storeId, what }) => {
      const text = kind === "damaged" ? what : `${what}, named by ${where}`;
      return { kind: `object-${kind}`, where: `store ${storeId} object ${key}`, what: text, remedy };
    });
    this.#troubles.set(key, { findings, awayIds, isFound });
  }

  /** The bytes of a copy that is whole. */
  async #examineCopy(
    storeId: StoreId,
    key: ObjectKey,
    { check, onProblem }: { readonly check: CopyCheck; readonly onProblem: (problem: CopyProblem) => void },
  ): Promise<Uint8Array | undefined> {
    const copy = await this.#read(storeId, key);
    if (copy.kind !== "read") {
      onProblem({ ...copy, storeId });
      return undefined;
    }
    this.#findings.tally.objects++;
    this.#findings.tally.bytes += copy.bytes.byteLength;
    const problems = check(copy.bytes);
    for (const what of problems) onProblem({ kind: "damaged", storeId, what });
    if (problems.length > 0) return undefined;
    if (this.#examined.get(key) === undefined) {
      this.#examined.set(key, storeId);
      this.#keep(key, copy.bytes);
    }
    return copy.bytes;
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

/** What to do about an object of which a copy is bad. `goodStore` has a whole one. */
export function remedyOf(goodStore: StoreId | undefined, awayIds: readonly StoreId[]): string {
  if (goodStore !== undefined) return `store ${goodStore} has it: copy it from there if the brokers do not`;
  if (awayIds.length === 0) return RESTORE_OBJECT;
  return `it may be in what is away (store ${awayIds.join(", ")}): bring that back first`;
}
