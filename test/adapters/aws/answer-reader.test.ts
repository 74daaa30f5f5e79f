import { describe, expect, test } from "vitest";
import { AnswerReader, BadAnswerError, type HttpAnswer } from "#lib/adapters/aws/answer-reader.ts";
import { HTTP_HEAD_BYTES_MAX } from "#lib/util/limits.ts";

const TARGET_BYTES = 10;

/** Reads as a connection does: into the reader's memory, so many bytes at once as there are, or `step`. */
function read(text: string, options: { readonly step?: number; readonly isEnded?: boolean } = {}) {
  const target = new Uint8Array(TARGET_BYTES);
  const scratch = new Uint8Array(32);
  const reader = new AnswerReader(target, scratch);
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.byteLength && reader.answer === undefined; ) {
    const { memory } = reader;
    const count = Math.min(options.step ?? Number.POSITIVE_INFINITY, memory.byteLength, bytes.byteLength - at);
    memory.set(bytes.subarray(at, at + count));
    reader.received(memory.subarray(0, count));
    // Somebody else reads into the same scratch meanwhile.
    scratch.fill(0xff);
    at += count;
  }
  if (options.isEnded === true) reader.ended();
  return { answer: reader.answer, target };
}

const textOf = (answer: HttpAnswer | undefined) => Buffer.from(answer?.body ?? []).toString("latin1");

const RANGE = 'HTTP/1.1 206 Partial Content\r\nETag: "x"\r\nContent-Length:  10 \r\n\r\n0123456789';
const ERROR = "HTTP/1.1 503 Slow Down\r\ncontent-length: 5\r\n\r\nsorry";
const CHUNKS =
  "HTTP/1.1 404 Not Found\r\ntransfer-encoding: Chunked\r\n\r\n4;x=y\r\n\r\n\r\n\r\n00A\r\nabcdefghij\r\n0\r\nA: b\r\n\r\n";

describe.each([1, 2, 7, 31, undefined])("in steps of %s bytes", (step) => {
  const steps = step === undefined ? {} : { step };

  test("a range of the target's length fills the target", () => {
    const { answer, target } = read(RANGE, steps);
    expect(answer?.body).toBe(target);
    expect(textOf(answer)).toBe("0123456789");
    expect(answer).toMatchObject({ status: 206, reason: "Partial Content", isReusable: true });
    expect(answer?.headers).toEqual({ etag: '"x"', "content-length": "10" });
  });

  test("a refusal's body is not for the target", () => {
    const { answer, target } = read(ERROR, steps);
    expect(answer).toMatchObject({ status: 503, reason: "Slow Down", isReusable: true });
    expect(textOf(answer)).toBe("sorry");
    expect(target).toEqual(new Uint8Array(TARGET_BYTES));
  });

  test("a refusal as long as the target is not for it either", () => {
    const { answer, target } = read("HTTP/1.1 404 \r\ncontent-length: 10\r\n\r\nno such ke", steps);
    expect(textOf(answer)).toBe("no such ke");
    expect(target).toEqual(new Uint8Array(TARGET_BYTES));
  });

  test("chunks are put together, with ends of lines in them and fields behind them", () => {
    const { answer } = read(CHUNKS, steps);
    expect(textOf(answer)).toBe("\r\n\r\nabcdefghij");
    expect(answer?.isReusable).toBe(true);
  });

  test("a body without a length goes until the connection ends", () => {
    const { answer } = read("HTTP/1.1 200 OK\r\n\r\nabc", { ...steps, isEnded: true });
    expect(textOf(answer)).toBe("abc");
    expect(answer?.isReusable).toBe(false);
  });

  test("an interim answer is passed over", () => {
    expect(
      read(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${RANGE}`, steps).answer?.status,
    ).toBe(206);
  });

  test("an answer that ends in the middle is none", () => {
    for (const text of ["", "HTTP/1.1 206", RANGE.slice(0, -1), ERROR.slice(0, -1), CHUNKS.slice(0, -1)]) {
      expect(() => read(text, { ...steps, isEnded: true })).toThrow(BadAnswerError);
    }
  });
});

test("a range of another length ends the connection, and leaves the target alone", () => {
  for (const length of [9, 11, 1_000_000_000]) {
    const { answer, target } = read(`HTTP/1.1 206 OK\r\ncontent-length: ${length}\r\n\r\n012345678`);
    expect(answer).toMatchObject({ isReusable: false, headers: { "content-length": String(length) } });
    expect(answer?.body.byteLength).toBe(0);
    expect(target).toEqual(new Uint8Array(TARGET_BYTES));
  }
});

test("a connection is not used again when the service says so, or sends more than it said", () => {
  const closing = RANGE.replace("ETag", "Connection: Close\r\nETag");
  for (const text of [closing, RANGE.replace("1.1", "1.0"), `${RANGE}x`, `${ERROR}x`, `${CHUNKS}\r\n\r\n`]) {
    expect(read(text).answer?.isReusable).toBe(false);
  }
  expect(textOf(read(`${RANGE}x`).answer)).toBe("0123456789");
});

test("an answer that has no body is whole behind its head", () => {
  for (const status of [204, 304]) {
    expect(read(`HTTP/1.1 ${status} x\r\n\r\n`).answer).toMatchObject({ status, isReusable: true });
  }
  expect(read("HTTP/1.1 403 x\r\ncontent-length: 0\r\n\r\n").answer).toMatchObject({ status: 403, isReusable: true });
});

test.each([
  "SSH-2.0-OpenSSH_9.9\r\n\r\n",
  "HTTP/2 200 OK\r\n\r\n",
  "HTTP/1.1 99 x\r\n\r\n",
  "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
  "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
  "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
  "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
  "HTTP/1.1 200 OK\r\ncontent-length: 0x10\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
])("%j is no answer", (text) => {
  expect(() => read(text)).toThrow(BadAnswerError);
});

test("a head or a body without an end is not collected for ever", () => {
  const field = `x: ${"y".repeat(100)}\r\n`;
  const head = `HTTP/1.1 200 OK\r\n${field.repeat(2 * Math.ceil(HTTP_HEAD_BYTES_MAX / field.length))}`;
  expect(() => read(head)).toThrow(/more than 16384 bytes/);
  expect(() => read(`HTTP/1.1 500 x\r\n\r\n${"y".repeat(200_000)}`)).toThrow(/more than \d+ bytes/);
});
