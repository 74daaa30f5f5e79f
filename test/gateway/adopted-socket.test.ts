import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AdoptedSocket, adoptSocket } from "#lib/gateway/adopted-socket.ts";
import { defined } from "#lib/util/assert.ts";

// What the adoption asks of Node is not in its manual: these facts hold for the Node that runs them.

const READ_BYTES = 16 * 1024;
const readBuffer = new Uint8Array(READ_BYTES);
let server: Server;
let onAccepted: (socket: Socket) => void = () => {};

beforeAll(async () => {
  server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => onAccepted(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterAll(() => {
  server.close();
});

/** As in a Node that keeps its handles elsewhere. */
function withoutHandle(accepted: Socket): Socket {
  return new Proxy(accepted, { has: (target, name) => name !== "_handle" && name in target });
}

function asItIs(accepted: Socket): Socket {
  return accepted;
}

/** Both ends of a connection whose accepting end is adopted. */
class Pair implements Disposable {
  readonly client: Socket;
  readonly adopted: AdoptedSocket;
  readonly events: string[] = [];
  /** Copies of what came. */
  readonly chunks: Buffer[] = [];
  /** Whether each chunk lay in the shared buffer. */
  readonly areShared: boolean[] = [];

  static async open(change: (accepted: Socket) => Socket = asItIs): Promise<Pair> {
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    let client: Socket | undefined;
    const pair = await new Promise<Pair>((resolve) => {
      onAccepted = (accepted) => {
        resolve(new Pair(defined(client), change(accepted)));
      };
      client = connect({ host: "127.0.0.1", port: defined(port) });
      client.on("error", () => {});
    });
    return pair;
  }

  private constructor(client: Socket, accepted: Socket) {
    this.client = client;
    this.adopted = adoptSocket(accepted, readBuffer);
    const { socket } = this.adopted;
    this.adopted.receive((chunk) => {
      this.areShared.push(chunk.buffer === readBuffer.buffer);
      this.chunks.push(Buffer.from(chunk));
    });
    for (const event of ["end", "close"]) socket.on(event, () => this.events.push(event));
    socket.on("error", (error: NodeJS.ErrnoException) => this.events.push(error.code ?? error.message));
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  [Symbol.dispose](): void {
    this.client.destroy();
    this.adopted.socket.destroy();
  }
}

function bytesOf(byteLength: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: byteLength }, (_, at) => (at * 7) % 251));
}

test("this Node reads adopted connections into the shared buffer: if it fails, Node keeps its handles elsewhere now", async () => {
  using pair = await Pair.open();
  pair.client.write("hello");
  await expect.poll(() => pair.received.toString()).toBe("hello");
  expect(pair.areShared).toEqual([true]);
});

test("all bytes come in their order, though the reads overwrite each other and other connections read too", async () => {
  using a = await Pair.open();
  using b = await Pair.open();
  const sent = bytesOf(3_000_000);
  a.client.write(sent);
  b.client.write(sent.subarray(1_000));
  await expect.poll(() => [a.received.length, b.received.length]).toEqual([3_000_000, 2_999_000]);
  expect(a.received.equals(sent)).toBe(true);
  expect(b.received.equals(sent.subarray(1_000))).toBe(true);
  expect([...a.areShared, ...b.areShared].every((isShared) => isShared)).toBe(true);
});

test("without its handle a connection goes on as Node made it, and each chunk is memory of its own", async () => {
  using pair = await Pair.open(withoutHandle);
  pair.client.write(bytesOf(100_000));
  await expect.poll(() => pair.received.length).toBe(100_000);
  expect(pair.received.equals(bytesOf(100_000))).toBe(true);
  expect(pair.areShared.some((isShared) => isShared)).toBe(false);
});

test("answers go out", async () => {
  using pair = await Pair.open();
  const parts: Buffer[] = [];
  pair.client.on("data", (part: Buffer) => parts.push(part));
  const sent = bytesOf(1_000_000);
  pair.adopted.socket.cork();
  pair.adopted.socket.write(sent.subarray(0, 500));
  pair.adopted.socket.write(sent.subarray(500));
  pair.adopted.socket.uncork();
  await expect.poll(() => Buffer.concat(parts).equals(sent)).toBe(true);
});

test.each([
  ["adopted", asItIs],
  ["left as it is", withoutHandle],
])("paused, a connection is not read, and its client is slowed down; resumed, it goes on: %s", async (_, change) => {
  using pair = await Pair.open(change);
  const { socket } = pair.adopted;
  pair.client.write("a");
  await expect.poll(() => pair.received.length).toBe(1);
  socket.pause();
  expect(socket.isPaused()).toBe(true);
  const sent = bytesOf(16_000_000);
  pair.client.write(sent);
  await new Promise((resolve) => setTimeout(resolve, 150));
  // A read may have been under way.
  expect(pair.received.length).toBeLessThan(READ_BYTES * 8);
  // More than the system's own buffers take: the rest waits in the client.
  expect(pair.client.writableLength).toBeGreaterThan(0);
  // Within one turn the last word counts.
  socket.resume();
  socket.pause();
  const before = pair.received.length;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(pair.received.length).toBe(before);
  socket.resume();
  await expect.poll(() => pair.received.length, { timeout: 10_000 }).toBe(16_000_001);
  expect(pair.received.subarray(1).equals(sent)).toBe(true);
});

test("paused by its receiver in the middle of a read, it gives nothing more", async () => {
  using pair = await Pair.open();
  const { socket } = pair.adopted;
  pair.adopted.receive((chunk) => {
    pair.chunks.push(Buffer.from(chunk));
    socket.pause();
  });
  pair.client.write(bytesOf(10 * READ_BYTES));
  await expect.poll(() => pair.chunks.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(pair.chunks.length).toBe(1);
  socket.resume();
  await expect.poll(() => pair.chunks.length).toBe(2);
});

test.each([
  ["adopted", asItIs],
  ["left as it is", withoutHandle],
])("what came before the end is given before it, and then the connection closes: %s", async (_, change) => {
  using pair = await Pair.open(change);
  const { socket } = pair.adopted;
  socket.pause();
  pair.client.end(bytesOf(5 * READ_BYTES));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(pair.events).toEqual([]);
  socket.resume();
  await expect.poll(() => pair.events).toEqual(["end", "close"]);
  expect(pair.received.equals(bytesOf(5 * READ_BYTES))).toBe(true);
});

test("a client that resets the connection closes it with an error", async () => {
  using pair = await Pair.open();
  pair.client.resetAndDestroy();
  await expect.poll(() => pair.events).toEqual(["ECONNRESET", "close"]);
});

test("destroyed, it closes at once and the client hears of it", async () => {
  using pair = await Pair.open();
  pair.client.resume();
  const closed = once(pair.client, "close");
  pair.adopted.socket.destroy();
  await closed;
  expect(pair.events).toEqual(["close"]);
});

test("bytes keep a connection from its time-out, and silence does not", async () => {
  using pair = await Pair.open();
  const { socket } = pair.adopted;
  socket.on("timeout", () => pair.events.push("timeout"));
  socket.setTimeout(150);
  for (let n = 0; n < 6; n++) {
    pair.client.write("x");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(pair.events).toEqual([]);
  await expect.poll(() => pair.events).toEqual(["timeout"]);
});
