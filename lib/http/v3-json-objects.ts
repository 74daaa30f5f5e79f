import { joinChunks } from "#lib/util/join-chunks.ts";
import { HttpError } from "./http-error.ts";

// Concatenated JSON: objects one behind the other, with or without white space between them.
//
//   {"value":{"type":"JSON","data":1}}{"value":...}   {"va
//   '------------- object -----------''-- object --'  '-- begun, goes on in the next chunk
//
// Where an object ends shows by its brackets, outside of strings; whether it is JSON at all is found out by parsing it.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const WHITE_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** Two bytes make an object, which takes a hundred times as many: who bounds objects looks at their number in between. */
const SLICE_BYTES = 8 * 1024;

/** The same bytes, a little at a time. */
export function* slicesOf(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < chunk.byteLength; at += SLICE_BYTES) yield chunk.subarray(at, at + SLICE_BYTES);
}

/** Cuts the objects out of chunks of bytes. After a failure it takes no more. */
export class JsonObjects {
  readonly #bytesMax: number;
  /** The beginning of the object that is not yet whole. */
  #begun: Uint8Array[] = [];
  #begunBytes = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #failure: HttpError | undefined;

  /** `bytesMax` bounds one object. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What is wrong with the bytes behind the last object. */
  get failure(): HttpError | undefined {
    return this.#failure;
  }

  /** The objects that `chunk` makes whole. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const objects: Uint8Array[] = [];
    if (this.#failure !== undefined) return objects;
    let from = 0;
    for (let at = 0; at < chunk.byteLength && this.#failure === undefined; at++) {
      const byte = chunk[at] ?? 0;
      if (this.#depth === 0) {
        if (byte === OPEN_BRACE) from = at;
        else if (!WHITE_SPACE.has(byte)) this.#failure = notAnObject(byte);
        if (byte !== OPEN_BRACE) continue;
      }
      this.#step(byte);
      if (this.#depth > 0) continue;
      objects.push(joinChunks([...this.#begun, chunk.subarray(from, at + 1)]));
      this.#begun = [];
      this.#begunBytes = 0;
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(from));
    return objects;
  }

  /** There are no more chunks. */
  end(): void {
    if (this.#depth > 0) this.#failure ??= new HttpError({ status: 400, message: "The body ends within a record." });
  }

  #step(byte: number): void {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#isInString = false;
    } else if (byte === QUOTE) this.#isInString = true;
    // [ and { differ in one bit alone, as do ] and }.
    else if ((byte | 0x20) === OPEN_BRACE) this.#depth += 1;
    else if ((byte | 0x20) === OPEN_BRACE + 2) this.#depth -= 1;
  }

  #keep(part: Uint8Array): void {
    this.#begun.push(part);
    this.#begunBytes += part.byteLength;
    if (this.#begunBytes <= this.#bytesMax) return;
    const message = `A record has more than ${this.#bytesMax} bytes as JSON.`;
    this.#failure ??= new HttpError({ status: 413, errorCode: 41302, message });
  }
}

function notAnObject(byte: number): HttpError {
  const sign = byte > 0x20 && byte < 0x7f ? JSON.stringify(String.fromCharCode(byte)) : `byte 0x${byte.toString(16)}`;
  return new HttpError({ status: 400, message: `The body is not JSON objects one behind the other: found ${sign}.` });
}
