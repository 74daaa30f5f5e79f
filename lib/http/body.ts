import type { ByteGrant } from "#lib/log/fetch-budget.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { HTTP_SMALL_BODY_BYTES_MAX } from "#lib/util/limits.ts";
import type { BodyGrants } from "./body-budget.ts";
import { HttpError } from "./http-error.ts";

/** A body with the right to hold it; dispose of it when it is parsed and done with. */
export interface ReceivedBody extends Disposable {
  readonly bytes: Uint8Array;
}

/** Reads a whole body, at most `bytesMax`: 413 beyond it, as soon as it shows. Waits while too much is being read. Gives up when aborted. */
export async function readBody(
  request: Request,
  bytesMax: number,
  budget: BodyGrants,
  signal: AbortSignal,
): Promise<ReceivedBody> {
  const declared = declaredLength(request);
  if (declared !== undefined && declared > bytesMax) throw tooLarge(bytesMax, `${declared}`);
  let grant = await budget.acquire(declared ?? Math.min(bytesMax, HTTP_SMALL_BODY_BYTES_MAX), signal);
  // A body without a declared length may be any: a small one until it shows.
  const grow = async (): Promise<void> => {
    const larger = await budget.acquire(bytesMax, signal);
    grant[Symbol.dispose]();
    grant = larger;
    // Nobody waits for it any more.
    if (signal.aborted) grant[Symbol.dispose]();
  };
  try {
    const bytes = await abortable(readAll(request, bytesMax, { declared, grow }), signal);
    if (bytes.byteLength > bytesMax) throw tooLarge(bytesMax, `${bytes.byteLength}`);
    grant.shrinkTo(bytes.byteLength);
    return received(bytes, grant);
  } catch (error) {
    grant[Symbol.dispose]();
    throw error instanceof HttpError ? error : cutShort(error, signal);
  }
}

async function readAll(
  request: Request,
  bytesMax: number,
  { declared, grow }: { readonly declared: number | undefined; readonly grow: () => Promise<void> },
): Promise<Uint8Array<ArrayBuffer>> {
  // With a declared length the front hands over no more than that.
  return declared === undefined ? readCounted(request, bytesMax, grow) : new Uint8Array(await request.arrayBuffer());
}

function received(bytes: Uint8Array, grant: ByteGrant): ReceivedBody {
  return { bytes, [Symbol.dispose]: () => grant[Symbol.dispose]() };
}

function declaredLength(request: Request): number | undefined {
  const text = request.headers.get("content-length");
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Calls `grow` once, when the body is no small one. */
async function readCounted(
  request: Request,
  bytesMax: number,
  grow: () => Promise<void>,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let byteLength = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joinChunks(chunks);
    const wasSmall = byteLength <= HTTP_SMALL_BODY_BYTES_MAX;
    byteLength += value.byteLength;
    if (byteLength > bytesMax) {
      // What else comes is thrown away by the front.
      reader.cancel().catch(() => {});
      throw tooLarge(bytesMax, `more than ${bytesMax}`);
    }
    if (wasSmall && byteLength > HTTP_SMALL_BODY_BYTES_MAX) await grow();
    chunks.push(value);
  }
}

function tooLarge(bytesMax: number, given: string): HttpError {
  const message = `The body has ${given} bytes, and at most ${bytesMax} are taken: send fewer records at once.`;
  return new HttpError({ status: 413, errorCode: 41301, message });
}

function cutShort(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  return new HttpError({ status: 400, message: "The body ended before its time.", cause: error });
}

/** The text of a JSON body. */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HttpError({ status: 400, message: "The body is not UTF-8.", cause });
  }
}

export function parseJsonBody(bytes: Uint8Array, parse: (text: string) => unknown): unknown {
  try {
    return parse(textOf(bytes));
  } catch (cause) {
    if (cause instanceof HttpError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HttpError({ status: 400, message: `The body is not JSON: ${reason}`, cause });
  }
}
