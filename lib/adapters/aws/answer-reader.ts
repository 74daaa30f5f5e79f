import { HTTP_HEAD_BYTES_MAX, KIB } from "#lib/util/limits.ts";

// An answer of HTTP/1.1 (RFC 9112), as much as a GET without conditions may bring:
//
//     HTTP/1.1 206 Partial Content\r\n       status line
//     content-length: 1048576\r\n            fields
//     \r\n
//     …                                      body: so many bytes; or chunks; or all until the connection ends
//
//     SIZE [;…] \r\n bytes \r\n … 0 \r\n [fields \r\n] \r\n       chunks, sizes in hexadecimal

/** What is not an answer of HTTP/1.1, or ends in the middle. */
export class BadAnswerError extends Error {
  override readonly name = "BadAnswerError";
}

export interface HttpAnswer {
  readonly status: number;
  readonly reason: string;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The target if it was filled; else a copy, which is empty for a range of another length than the target's. */
  readonly body: Uint8Array;
  /** Whether another request may be sent on the same connection. */
  readonly isReusable: boolean;
}

interface Head {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly isKeptAlive: boolean;
  readonly framing: number | "chunks" | "connection";
}

const HEAD_END = "\r\n\r\n";
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
const CHUNK_SIZE = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/;
/** A refusal's text is shorter, and chunks are longer than what is written around them. */
const BODY_OVERHEAD_BYTES_MAX = 64 * KIB;

/**
 * Takes one answer from a connection. The body of a successful one that has the target's length is read straight into
 * the target; any other body is collected. To use: read into `memory`, hand what was read to `received`, look at `answer`.
 */
export class AnswerReader {
  readonly #target: Uint8Array;
  readonly #scratch: Uint8Array;
  #head: Head | undefined;
  #isFilling = false;
  /** Of the target. */
  #filled = 0;
  /** Copied; of the head, then of a body that is not for the target. */
  #collected: Buffer = Buffer.alloc(0);
  #answer: HttpAnswer | undefined;

  /** `scratch`: may be shared with all other readers. */
  constructor(target: Uint8Array, scratch: Uint8Array) {
    this.#target = target;
    this.#scratch = scratch;
  }

  /** Where the next bytes go. Never empty before the answer is whole. */
  get memory(): Uint8Array {
    return this.#isFilling && this.#answer === undefined ? this.#target.subarray(this.#filled) : this.#scratch;
  }

  /** When it is whole. */
  get answer(): HttpAnswer | undefined {
    return this.#answer;
  }

  /** `bytes` have been read, to the beginning of `memory`. Fails with `BadAnswerError`. */
  received(bytes: Uint8Array): void {
    if (this.#isFilling) {
      this.#filled += bytes.byteLength;
      if (this.#filled === this.#target.byteLength) this.#finish(this.#target, true);
      return;
    }
    const all =
      this.#collected.byteLength === 0
        ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        : this.#joined(bytes);
    const body = this.#head === undefined ? this.#takeHead(all) : all;
    if (this.#answer !== undefined || this.#isFilling) return;
    if (this.#head !== undefined) this.#takeBody(this.#head, body);
    // The scratch is somebody else's after this turn.
    if (this.#answer === undefined) this.#collected = body.buffer === bytes.buffer ? Buffer.from(body) : body;
  }

  /** The connection has ended: that may be the answer's end. Fails with `BadAnswerError` if it is not. */
  ended(): void {
    if (this.#head?.framing !== "connection") throw new BadAnswerError("the connection ended before the answer");
    this.#finish(this.#collected, false);
  }

  #joined(bytes: Uint8Array): Buffer {
    const max = this.#head === undefined ? HTTP_HEAD_BYTES_MAX : 2 * this.#target.byteLength + BODY_OVERHEAD_BYTES_MAX;
    if (this.#collected.byteLength + bytes.byteLength > max + this.#scratch.byteLength) {
      throw new BadAnswerError(`the answer has more than ${max} bytes`);
    }
    return Buffer.concat([this.#collected, bytes]);
  }

  /** Answers what comes behind the head. */
  #takeHead(all: Buffer): Buffer {
    let rest = all;
    for (;;) {
      const end = rest.indexOf(HEAD_END);
      if (end < 0) return rest;
      const head = parseHead(rest.toString("latin1", 0, end));
      rest = rest.subarray(end + HEAD_END.length);
      // Those below 200 come before the answer.
      if (head.status < 200) continue;
      this.#head = head;
      this.#beginBody(head, rest);
      return rest;
    }
  }

  #beginBody({ status, framing }: Head, rest: Uint8Array): void {
    if (status !== 200 && status !== 206) return;
    if (typeof framing !== "number") return;
    if (framing !== this.#target.byteLength) {
      this.#finish(new Uint8Array(0), false);
      return;
    }
    this.#isFilling = true;
    this.#filled = Math.min(rest.byteLength, framing);
    this.#target.set(rest.subarray(0, framing));
    if (this.#filled === framing) this.#finish(this.#target, rest.byteLength === framing);
  }

  #takeBody({ framing }: Head, body: Uint8Array): void {
    if (framing === "connection") return;
    if (typeof framing === "number") {
      if (body.byteLength >= framing)
        this.#finish(Uint8Array.from(body.subarray(0, framing)), body.byteLength === framing);
      return;
    }
    const decoded = decodeChunks(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
    if (decoded !== undefined) this.#finish(decoded.body, decoded.byteLength === body.byteLength);
  }

  #finish(body: Uint8Array, isReusable: boolean): void {
    const { status, reason, headers, isKeptAlive } = this.#head ?? {
      status: 0,
      reason: "",
      headers: {},
      isKeptAlive: false,
    };
    this.#answer = { status, reason, headers, body, isReusable: isReusable && isKeptAlive };
  }
}

/** Fails with `BadAnswerError`. */
function parseHead(text: string): Head {
  const [first = "", ...lines] = text.split("\r\n");
  const [, minor = "", statusText = "", reason = ""] = STATUS_LINE.exec(first) ?? [];
  if (statusText === "") throw new BadAnswerError("the answer has no status of HTTP/1.1");
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name = "", value = ""] = FIELD.exec(line) ?? [];
    if (name === "") throw new BadAnswerError("the answer has a line that is no field");
    const known = fields.get(name.toLowerCase());
    fields.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
  }
  const status = Number(statusText);
  const isKeptAlive = minor === "1" && !/\bclose\b/i.test(fields.get("connection") ?? "");
  return { status, reason, headers: Object.fromEntries(fields), isKeptAlive, framing: framingOf(status, fields) };
}

function framingOf(status: number, fields: ReadonlyMap<string, string>): Head["framing"] {
  if (status < 200 || status === 204 || status === 304) return 0;
  const length = fields.get("content-length");
  const coding = fields.get("transfer-encoding");
  if (coding === undefined && length === undefined) return "connection";
  // Both would let two readers see two answers.
  if (coding !== undefined) {
    if (coding.toLowerCase() === "chunked" && length === undefined) return "chunks";
    throw new BadAnswerError(`the answer is coded as ${coding}`);
  }
  if (length === undefined || !/^\d{1,15}$/.test(length))
    throw new BadAnswerError(`the answer has a length of ${length}`);
  return Number(length);
}

/** Undefined if more must come. Fails with `BadAnswerError`. */
function decodeChunks(bytes: Buffer): { readonly body: Uint8Array; readonly byteLength: number } | undefined {
  // Only the end is followed by an empty line; a chunk may look like it, and is then looked through in vain.
  if (bytes.subarray(-4).toString("latin1") !== HEAD_END) return undefined;
  const chunks: Uint8Array[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const [, hexadecimal] = CHUNK_SIZE.exec(bytes.toString("latin1", at, lineEnd)) ?? [];
    if (hexadecimal === undefined) throw new BadAnswerError("a chunk of the answer has no size");
    const size = Number.parseInt(hexadecimal, 16);
    if (size === 0) {
      // Behind the last chunk's size: fields, and an empty line.
      const end = bytes.indexOf(HEAD_END, lineEnd);
      return end < 0 ? undefined : { body: Buffer.concat(chunks), byteLength: end + HEAD_END.length };
    }
    const from = lineEnd + 2;
    at = from + size + 2;
    if (at > bytes.byteLength) return undefined;
    if (bytes.toString("latin1", at - 2, at) !== "\r\n")
      throw new BadAnswerError("a chunk of the answer is longer than said");
    chunks.push(bytes.subarray(from, from + size));
  }
}
