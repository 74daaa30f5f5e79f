import { Readable } from "node:stream";
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { crc32cOfChunks } from "#lib/record/crc32c.ts";
import { backOffMs, retry } from "#lib/runtime/back-off.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Ledger, RequestKind } from "#lib/runtime/ledger.ts";
import type { Random } from "#lib/runtime/random.ts";
import { isDirectoryBucket } from "#lib/storage/bucket-names.ts";
import { parseObjectKey } from "#lib/storage/object-keys.ts";
import {
  type ByteRange,
  CorruptObjectError,
  type ObjectListing,
  ObjectNotFoundError,
  type ObjectStore,
  type PutResult,
  StoreUnavailableError,
} from "#lib/storage/object-store.ts";
import { assert } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import {
  MIB,
  S3_ATTEMPTS_MAX,
  S3_CALL_MS_MAX,
  S3_CONFLICT_ATTEMPTS_MAX,
  S3_KEYS_PER_REQUEST_MAX,
  S3_PREFIX_BYTES_MAX,
  S3_RETRY_MS_MAX,
  S3_RETRY_MS_MIN,
} from "#lib/util/limits.ts";
import { SystemRandom } from "../node/system-random.ts";
import { attempt, isTimeLimit } from "./attempt.ts";
import { failureOf } from "./aws-failure.ts";
import { BodyLengthError, chunkStream, readBody } from "./s3-body.ts";
import { toStoreError } from "./s3-failure.ts";
import { type ListOptions, listOrdered, listUnordered } from "./s3-listing.ts";

export interface S3StoreOptions {
  readonly client: S3Client;
  /** Of S3 Standard, or a directory bucket of S3 Express by its name (`…--ZONE--x-s3`). */
  readonly bucket: string;
  /** Folder in the bucket that holds the store; default: the whole bucket. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly ledger: Ledger;
  /** Default: the operating system's. */
  readonly random?: Random;
  /** One request is given up after this time, with a second added for each MiB. Default: `S3_CALL_MS_MAX`. */
  readonly callMsMax?: number;
}

interface Traffic {
  sent: number;
  received: number;
}

const BACK_OFF = { minMs: S3_RETRY_MS_MIN, maxMs: S3_RETRY_MS_MAX };

/** Objects in a bucket of S3, or of a service that speaks its protocol and keeps `If-None-Match: *`. */
export class S3ObjectStore implements ObjectStore {
  /** `s3://BUCKET` or `s3://BUCKET/PREFIX`. */
  readonly url: string;
  readonly #options: S3StoreOptions;
  readonly #root: string;
  readonly #random: Random;

  /** Fails with `InvalidObjectKeyError` if the prefix is no key. */
  constructor(options: S3StoreOptions) {
    const { bucket, prefix = "" } = options;
    if (prefix !== "") parseObjectKey(prefix);
    assert(prefix.length < S3_PREFIX_BYTES_MAX, "a store's prefix leaves room for its keys");
    this.#options = options;
    this.#root = prefix === "" ? "" : `${prefix}/`;
    this.#random = options.random ?? new SystemRandom();
    this.url = prefix === "" ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
  }

  async putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    parseObjectKey(key);
    signal.throwIfAborted();
    const byteLength = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    const checksum = base64OfUint32(crc32cOfChunks(chunks));
    for (let tries = 1; ; tries++) {
      try {
        await this.#putOnce({ key, chunks, byteLength, checksum }, signal);
        return { kind: "written" };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const { status } = failureOf(error);
        if (status === 412) return { kind: "already-exists" };
        // Another put of this key, perhaps ours whose answer was lost, is under way; soon one of them has won.
        if (status !== 409 || tries >= S3_CONFLICT_ATTEMPTS_MAX) throw toStoreError(error, this.url);
      }
      await this.#options.clock.sleep(backOffMs(tries, BACK_OFF, this.#random), signal);
    }
  }

  async get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    parseObjectKey(key);
    return this.#repeatedly(signal, () => this.#read(key, signal, {}));
  }

  async getRange(key: ObjectKey, range: ByteRange, signal: AbortSignal, target?: Uint8Array): Promise<Uint8Array> {
    parseObjectKey(key);
    assert(range.position >= 0 && range.byteLength >= 1, "empty range");
    assert(target === undefined || target.byteLength === range.byteLength, "the target is as long as the range");
    return this.#repeatedly(signal, () => this.#read(key, signal, { range, target }));
  }

  async list(options: ListOptions, signal: AbortSignal): Promise<ObjectListing> {
    const { bucket, client } = this.#options;
    const list = isDirectoryBucket(bucket) ? listUnordered : listOrdered;
    return this.#repeatedly(signal, () =>
      list(this.#root, options, (page) =>
        this.#request({ kind: "s3:ListObjectsV2", bytes: 0 }, signal, (abortSignal) =>
          client.send(new ListObjectsV2Command({ Bucket: bucket, ...page }), { abortSignal }),
        ),
      ),
    );
  }

  async deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    for (const key of keys) parseObjectKey(key);
    signal.throwIfAborted();
    const gone = new Set<ObjectKey>(keys);
    let failure: unknown;
    for (let from = 0; from < keys.length; from += S3_KEYS_PER_REQUEST_MAX) {
      const some = keys.slice(from, from + S3_KEYS_PER_REQUEST_MAX);
      try {
        const refused = await this.#repeatedly(signal, () => this.#deleteOnce(some, signal));
        for (const { key } of refused) gone.delete(key);
        failure ??= refused[0]?.error;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        for (const key of some) gone.delete(key);
        failure ??= error;
      }
    }
    if (gone.size === 0 && failure !== undefined) throw failure;
    return gone;
  }

  async #putOnce(
    put: {
      readonly key: ObjectKey;
      readonly chunks: readonly Uint8Array[];
      readonly byteLength: number;
      readonly checksum: string;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { bucket, client } = this.#options;
    const input = {
      Bucket: bucket,
      Key: this.#root + put.key,
      // A stream is neither copied nor hashed by the SDK: the CRC-32C in the header is what the service checks it by.
      Body: put.byteLength === 0 ? new Uint8Array(0) : chunkStream(put.chunks),
      ContentLength: put.byteLength,
      ContentType: "application/octet-stream",
      ChecksumCRC32C: put.checksum,
      IfNoneMatch: "*",
    };
    await this.#request({ kind: "s3:PutObject", bytes: put.byteLength }, signal, (abortSignal, traffic) => {
      traffic.sent = put.byteLength;
      return client.send(new PutObjectCommand(input), { abortSignal });
    });
  }

  async #read(
    key: ObjectKey,
    signal: AbortSignal,
    { range, target }: { readonly range?: ByteRange; readonly target?: Uint8Array | undefined },
  ): Promise<Uint8Array> {
    const { bucket, client } = this.#options;
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: this.#root + key,
      ...(range === undefined ? {} : { Range: `bytes=${range.position}-${range.position + range.byteLength - 1}` }),
    });
    const bytes = range?.byteLength ?? 8 * MIB;
    try {
      return await this.#request({ kind: "s3:GetObject", bytes }, signal, async (abortSignal, traffic) => {
        const answer = await client.send(command, { abortSignal });
        const { body, byteLength } = bodyOf(answer, key, range);
        const read = await readBody(body, abortSignal, { target, byteLength });
        traffic.received = read.byteLength;
        return read;
      });
    } catch (error) {
      const { code, status } = failureOf(error);
      if (code === "NoSuchKey" || (status === 404 && code !== "NoSuchBucket")) throw new ObjectNotFoundError(key);
      if (status === 416) throw new CorruptObjectError(key, `ends before byte ${range?.position}`);
      throw error;
    }
  }

  async #deleteOnce(keys: readonly ObjectKey[], signal: AbortSignal) {
    const { bucket, client } = this.#options;
    const Objects = keys.map((key) => ({ Key: this.#root + key }));
    const command = new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } });
    const answer = await this.#request({ kind: "s3:DeleteObjects", bytes: 0 }, signal, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    const byName = new Map(keys.map((key) => [this.#root + key, key]));
    const refused: { readonly key: ObjectKey; readonly error: Error }[] = [];
    for (const { Key = "", Code = "", Message = "" } of answer.Errors ?? []) {
      const key = byName.get(Key);
      if (key === undefined || Code === "NoSuchKey") continue;
      const error = toStoreError(Object.assign(new Error(Message), { name: Code }), this.url);
      refused.push({ key, error });
    }
    return refused;
  }

  /** Reads, listings and deletions change nothing when they are repeated. A silent store is left to the caller. */
  async #repeatedly<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const { clock } = this.#options;
    let isSilent = false;
    const once = async (): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        isSilent = isTimeLimit(error);
        throw toStoreError(error, this.url);
      }
    };
    const isRetriable = (error: unknown) =>
      !isSilent && error instanceof StoreUnavailableError && error.reason === "io";
    const options = { ...BACK_OFF, attemptsMax: S3_ATTEMPTS_MAX, isRetriable };
    return retry(once, options, { clock, random: this.#random }, signal);
  }

  /** One request, counted whatever becomes of it. Fails with the SDK's errors, which the callers above translate. */
  async #request<T>(
    what: { readonly kind: RequestKind; readonly bytes: number },
    signal: AbortSignal,
    send: (signal: AbortSignal, traffic: Traffic) => Promise<T>,
  ): Promise<T> {
    const { clock, ledger, bucket, callMsMax = S3_CALL_MS_MAX } = this.#options;
    const traffic: Traffic = { sent: 0, received: 0 };
    const ms = callMsMax + Math.ceil((what.bytes / MIB) * 1_000);
    let hasFailed = true;
    try {
      const answer = await attempt({ clock, ms }, signal, (own) => send(own, traffic));
      hasFailed = false;
      return answer;
    } catch (error) {
      // A condition that does not hold and a key that is not there are answers.
      const { status } = failureOf(error);
      hasFailed = !(status === 412 || status === 404 || status === 416);
      throw error;
    } finally {
      ledger.count(what.kind, traffic, { target: bucket, hasFailed });
    }
  }
}

/** Fails with `CorruptObjectError` if the object ends within the range. */
function bodyOf(
  answer: GetObjectCommandOutput,
  key: ObjectKey,
  range: ByteRange | undefined,
): { readonly body: Readable; readonly byteLength: number | undefined } {
  const { Body: body, ContentLength: byteLength } = answer;
  if (!(body instanceof Readable)) throw new BodyLengthError("the answer has no body");
  if (range === undefined || byteLength === undefined || byteLength === range.byteLength) return { body, byteLength };
  body.destroy();
  if (byteLength > range.byteLength) throw new BodyLengthError("the service does not answer ranges");
  throw new CorruptObjectError(
    key,
    `ends ${range.byteLength - byteLength} bytes before byte ${range.position + range.byteLength}`,
  );
}

/** As the header `x-amz-checksum-crc32c` wants it. */
function base64OfUint32(value: number): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes.toString("base64");
}
