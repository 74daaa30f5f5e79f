import { FreshFlight } from "#lib/runtime/single-flight.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import { parseStoreMarker, STORE_MARKER_BYTES_MAX, type StoreMarker } from "#lib/storage/store-marker.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import { errorCodeOf, type FilePort } from "./file-port.ts";

export interface StoreRootOptions {
  readonly files: FilePort;
  /** An absolute path. */
  readonly root: string;
  readonly expected: StoreMarker;
  /** Called when the right root is seen for the first time, or again after another one or none was there. */
  readonly onFound: () => Promise<void>;
}

/**
 * Knows whether the right store lies at the root. One `stat` of the marker tells: its fingerprint changes when the root
 * is missing, is a plain file, was emptied, or is another directory; only then the marker is read again.
 */
export class StoreRoot {
  readonly #options: StoreRootOptions;
  readonly #flight: FreshFlight<void>;
  #fingerprint: string | undefined;
  /** What begins in a moment, for all reads that are asked for together. */
  #asked: Promise<void> | undefined;

  constructor(options: StoreRootOptions) {
    this.#options = options;
    this.#flight = new FreshFlight(() => this.#check());
  }

  /** What the last check saw, if it found the right root: while the marker has it, the right root is there. */
  get fingerprint(): string | undefined {
    return this.#fingerprint;
  }

  /** Resolves if the right root was there after this call began. Fails with `StoreUnavailableError`. */
  check(): Promise<void> {
    this.#asked ??= Promise.resolve().then(() => {
      this.#asked = undefined;
      return this.#flight.run();
    });
    return this.#asked;
  }

  async #check(): Promise<void> {
    const { files, root, expected } = this.#options;
    const path = `${root}/${MARKER_KEY}`;
    try {
      const fingerprint = await files.fingerprint(path);
      if (fingerprint === this.#fingerprint) return;
      this.#fingerprint = undefined;
      const found = await readMarker(files, path);
      if (found.identity !== expected.identity || found.storeId !== expected.storeId) {
        const what = `store ${found.storeId} with identity ${found.identity}`;
        throw rootError(root, `holds ${what}, not store ${expected.storeId} with identity ${expected.identity}`);
      }
      await this.#options.onFound();
      this.#fingerprint = fingerprint;
    } catch (error) {
      this.#fingerprint = undefined;
      throw unavailable(root, error);
    }
  }
}

/** Reads the marker at `path`. Fails with `DecodeError`, or with the system's error. */
export async function readMarker(files: FilePort, path: string): Promise<StoreMarker> {
  const file = await files.open(path);
  try {
    const target = Buffer.alloc(STORE_MARKER_BYTES_MAX + 1);
    return parseStoreMarker(target.subarray(0, await file.read(target, 0)));
  } finally {
    await file.close();
  }
}

function unavailable(root: string, error: unknown): unknown {
  const code = errorCodeOf(error);
  if (code === "ENOENT") return rootError(root, "is missing or has no marker", error);
  if (code === "ENOTDIR" || code === "EISDIR") return rootError(root, "is not a store's directory", error);
  if (code !== undefined) return new StoreUnavailableError(`store ${root}: ${code}`, { reason: "io", cause: error });
  return error instanceof DecodeError ? rootError(root, "has a damaged marker", error) : error;
}

function rootError(root: string, problem: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(`store root ${root} ${problem}`, { reason: "root", cause });
}
