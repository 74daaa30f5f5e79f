import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AnswerQueue } from "#lib/gateway/answer-queue.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import { defined } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";

/** More than the system takes from a process whose client does not read. */
const LARGE_BYTES = 16_000_000;

let server: Server;
let accepted = deferred<Socket>();

beforeAll(async () => {
  server = createServer((socket) => accepted.resolve(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterAll(() => {
  server.close();
});

/** A client that does not read yet, and the answers to it. */
async function connected() {
  accepted = deferred();
  const address = server.address();
  const port = defined(typeof address === "object" ? address?.port : undefined);
  const client = connect({ host: "127.0.0.1", port });
  client.on("error", () => {});
  client.pause();
  const socket = await accepted.promise;
  socket.on("error", () => {});
  const parts: Buffer[] = [];
  client.on("data", (part: Buffer) => parts.push(part));
  client.pause();
  return { client, socket, parts, answers: new AnswerQueue(socket, 100) };
}

/** Memory with `byte` in it, which holds other things as soon as it is given back. */
function lent(byteLength: number, byte: number) {
  const bytes = Buffer.alloc(byteLength, byte);
  const borrowed = new Borrowed();
  const events: string[] = [];
  borrowed.add(() => {
    events.push("given back");
    bytes.fill(0xee);
  });
  const onWritten = () => {
    borrowed.release();
    events.push("written");
  };
  return { bytes, events, options: { borrowed, onWritten } };
}

test("what an answer borrows is given back when the system has taken its bytes, not before", async () => {
  const { client, socket, parts, answers } = await connected();
  const first = lent(LARGE_BYTES, 1);
  const second = lent(100, 2);
  answers.push(Promise.resolve([first.bytes.subarray(0, 10), first.bytes.subarray(10)]), first.options);
  answers.push(Promise.resolve([second.bytes]), second.options);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([first.events, second.events]).toEqual([[], []]);
  client.resume();
  await answers.idle();
  expect([first.events, second.events]).toEqual([
    ["given back", "written"],
    ["given back", "written"],
  ]);
  await expect.poll(() => parts.reduce((sum, part) => sum + part.length, 0)).toBe(LARGE_BYTES + 100);
  const received = Buffer.concat(parts);
  expect(received.equals(Buffer.concat([Buffer.alloc(LARGE_BYTES, 1), Buffer.alloc(100, 2)]))).toBe(true);
  client.destroy();
  socket.destroy();
});

test.each(["destroyed here", "reset by the client"])(
  "what an answer borrows comes back when the connection is %s in the middle of it",
  async (how) => {
    const { client, socket, answers } = await connected();
    const answer = lent(LARGE_BYTES, 1);
    const behind = lent(100, 2);
    answers.push(Promise.resolve([answer.bytes]), answer.options);
    answers.push(Promise.resolve([behind.bytes]), behind.options);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answer.events).toEqual([]);
    if (how === "destroyed here") socket.destroy();
    else client.resetAndDestroy();
    await answers.idle();
    expect([answer.events, behind.events]).toEqual([
      ["given back", "written"],
      ["given back", "written"],
    ]);
    client.destroy();
  },
);

test("what a failed answer has borrowed comes back too, and the connection is closed", async () => {
  const { client, socket, answers } = await connected();
  const answer = lent(10, 1);
  answers.push(Promise.reject(new Error("a fault of a handler")), answer.options);
  await answers.idle();
  expect(answer.events).toEqual(["given back", "written"]);
  expect(socket.destroyed).toBe(true);
  client.destroy();
});

test("an answer that comes early waits for those before it", async () => {
  const { client, socket, parts, answers } = await connected();
  client.resume();
  const late = deferred<readonly Uint8Array[]>();
  const [first, second] = [lent(3, 1), lent(3, 2)];
  answers.push(late.promise, first.options);
  answers.push(Promise.resolve([second.bytes]), second.options);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(second.events).toEqual([]);
  late.resolve([first.bytes]);
  await expect.poll(() => [...Buffer.concat(parts)]).toEqual([1, 1, 1, 2, 2, 2]);
  client.destroy();
  socket.destroy();
});

test("answers that are ready in one turn leave with one call of the system", async () => {
  const { client, socket, parts, answers } = await connected();
  client.resume();
  const writes: number[] = [];
  const writev = defined(socket._writev?.bind(socket));
  socket._writev = (chunks, done) => {
    writes.push(chunks.length);
    writev(chunks, done);
  };
  const ready = deferred<void>();
  for (const byte of [1, 2, 3]) {
    const answer = ready.promise.then(() => [Uint8Array.of(byte), Uint8Array.of(byte)]);
    answers.push(answer, { borrowed: new Borrowed(), onWritten() {} });
  }
  ready.resolve();
  await answers.idle();
  await expect.poll(() => [...Buffer.concat(parts)]).toEqual([1, 1, 2, 2, 3, 3]);
  expect(writes).toEqual([6]);
  client.destroy();
  socket.destroy();
});

test("after an answer that ends the connection nothing is sent, and what was ready before it arrives", async () => {
  const { client, socket, parts, answers } = await connected();
  client.resume();
  const errors: unknown[] = [];
  socket.on("error", (error) => errors.push(error));
  const ready = deferred<void>();
  const options = { borrowed: new Borrowed(), onWritten() {} };
  const later = lent(100, 3);
  answers.push(
    ready.promise.then(() => [Uint8Array.of(1)]),
    options,
  );
  answers.push(
    ready.promise.then(() => "close" as const),
    options,
  );
  answers.push(
    ready.promise.then(() => [Uint8Array.of(2)]),
    options,
  );
  answers.push(
    ready.promise.then(() => [later.bytes]),
    later.options,
  );
  ready.resolve();
  await answers.idle();
  expect(later.events).toEqual(["given back", "written"]);
  await expect.poll(() => socket.closed).toBe(true);
  await expect.poll(() => [...Buffer.concat(parts)]).toEqual([1]);
  expect(errors).toEqual([]);
  client.destroy();
});

test("small answers to a client that does not read are sent from memory that is still theirs", async () => {
  const { client, socket, parts, answers } = await connected();
  const all = Array.from({ length: 1_500 }, (_, at) => lent(10_000, at % 200));
  const expected = Buffer.concat(all.map(({ bytes }) => bytes));
  for (const { bytes, options } of all) answers.push(Promise.resolve([bytes]), options);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(all.at(-1)?.events).toEqual([]);
  client.resume();
  await answers.idle();
  await expect.poll(() => parts.reduce((sum, part) => sum + part.length, 0)).toBe(expected.byteLength);
  expect(Buffer.concat(parts).equals(expected)).toBe(true);
  client.destroy();
  socket.destroy();
});
