import { generateKeyPairSync, sign } from "node:crypto";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { describe, expect, test } from "vitest";
import { FilledBody, RangeHandler } from "#lib/adapters/aws/range-handler.ts";

const RANGE = "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\n\r\n0123";
const never = new AbortController().signal;

/** Called for each request; `count`: of them on all connections so far. */
type Script = (socket: Socket, count: number) => void;

/** A server that says what it is told, be it HTTP or not. */
async function under(server: Server, script: Script) {
  const requests: string[] = [];
  const sockets: Socket[] = [];
  const serve = (socket: Socket) => {
    sockets.push(socket);
    let pending = "";
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      pending += bytes.toString("latin1");
      for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
        requests.push(pending.slice(0, end));
        pending = pending.slice(end + 4);
        script(socket, requests.length);
      }
    });
  };
  server.on("connection", (socket) => server.listenerCount("secureConnection") === 0 && serve(socket));
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const address = server.address();
  const port = isAddress(address) ? address.port : 0;
  return { requests, sockets, serve, port, close: () => new Promise((resolve) => server.close(resolve)) };
}

function isAddress(address: ReturnType<Server["address"]>): address is AddressInfo {
  return typeof address === "object" && address !== null;
}

function requestOf(port: number, protocol = "http:") {
  const headers = { host: `localhost:${port}`, range: "bytes=0-3" };
  const clone = () => {
    throw new Error("a request that is sent is not cloned");
  };
  const query = { "x-id": "Get Object!" };
  return { method: "GET", protocol, hostname: "localhost", port, path: "/b/k", query, headers, clone };
}

async function reading(script: Script, options: { readonly socketsMax?: number } = {}) {
  const server = await under(createServer(), script);
  const handler = new RangeHandler({}, options);
  return {
    ...server,
    get: (target: Uint8Array, abortSignal = never) =>
      handler.handle(requestOf(server.port), { abortSignal, ...{ target } }),
    handler,
    async [Symbol.asyncDispose]() {
      handler.destroy();
      for (const socket of server.sockets) socket.destroy();
      await server.close();
    },
  };
}

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

describe("a read that says where its answer goes", () => {
  test("is sent as it was signed and fills the target, one after another on one connection", async () => {
    await using service = await reading((socket) => socket.write(RANGE));
    for (let n = 0; n < 3; n++) {
      const target = new Uint8Array(4);
      const { response } = await service.get(target);
      expect(response.statusCode).toBe(206);
      expect(response.body).toBeInstanceOf(FilledBody);
      expect(response.body.bytes).toBe(target);
      expect(textOf(target)).toBe("0123");
    }
    expect(service.sockets).toHaveLength(1);
    const lines = ["GET /b/k?x-id=Get%20Object%21 HTTP/1.1", `host: localhost:${service.port}`, "range: bytes=0-3"];
    expect(service.requests[0]).toBe(lines.join("\r\n"));
  });

  test("gets each its own bytes when many are under way", async () => {
    await using service = await reading((socket, count) => {
      const body = Buffer.alloc(300_000, count);
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.byteLength}\r\n\r\n`);
      for (let at = 0; at < body.byteLength; at += 50_000) {
        setTimeout(() => socket.write(body.subarray(at, at + 50_000)), at / 20_000);
      }
    });
    const targets = Array.from({ length: 8 }, () => new Uint8Array(300_000));
    await Promise.all(targets.map((target) => service.get(target)));
    expect(targets.every((target) => target.every((byte) => byte === target[0]))).toBe(true);
    expect(new Set(targets.map(([first]) => first)).size).toBe(8);
  });

  test("is sent again when the service ends a connection that was idle, and only then", async () => {
    await using service = await reading((socket, count) => {
      if (count === 2) socket.destroy();
      else socket.write(RANGE);
    });
    await service.get(new Uint8Array(4));
    const target = new Uint8Array(4);
    await service.get(target);
    expect(textOf(target)).toBe("0123");
    expect(service.sockets).toHaveLength(2);
    await using silent = await reading((socket) => socket.destroy());
    await expect(silent.get(new Uint8Array(4))).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(silent.requests).toHaveLength(1);
  });

  test("fails when its answer is cut, and is not sent again in here", async () => {
    await using service = await reading((socket, count) => {
      if (count === 1) socket.write(RANGE);
      else socket.end(RANGE.slice(0, -1));
    });
    await service.get(new Uint8Array(4));
    await expect(service.get(new Uint8Array(4))).rejects.toThrow(/ended before the answer/);
    expect(service.requests).toHaveLength(2);
  });

  test("that is given up writes nothing any more, and ends its connection", async () => {
    await using service = await reading((socket) => socket.write(RANGE.slice(0, -2)));
    const target = new Uint8Array(4);
    const controller = new AbortController();
    const read = service.get(target, controller.signal);
    await expect.poll(() => textOf(target)).toBe("01\0\0");
    controller.abort(new Error("enough"));
    await expect(read).rejects.toThrow("enough");
    const [socket] = service.sockets;
    socket?.write("23");
    await expect.poll(() => socket?.destroyed).toBe(true);
    expect(textOf(target)).toBe("01\0\0");
  });

  test("does not get what came unasked", async () => {
    await using service = await reading((socket, count) => {
      socket.write(count === 1 ? `${RANGE}` : RANGE.replace("0123", "abcd"));
      if (count === 1) setTimeout(() => socket.write(RANGE.replace("0123", "evil")), 10);
    });
    await service.get(new Uint8Array(4));
    await expect.poll(() => service.sockets[0]?.destroyed).toBe(true);
    const target = new Uint8Array(4);
    await service.get(target);
    expect(textOf(target)).toBe("abcd");
  });

  test("goes by the SDK's connections when ours are all in use", async () => {
    await using service = await reading(
      (socket, count) => setTimeout(() => socket.write(RANGE), count === 1 ? 50 : 0),
      {
        socketsMax: 1,
      },
    );
    const targets = [new Uint8Array(4), new Uint8Array(4)] as const;
    const [ours, theirs] = await Promise.all(targets.map((target) => service.get(target)));
    expect(ours?.response.body).toBeInstanceOf(FilledBody);
    expect(theirs?.response.body).not.toBeInstanceOf(FilledBody);
    const chunks: Buffer[] = [];
    for await (const chunk of theirs?.response.body ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe("0123");
  });

  test("never carries a line's end into the request", async () => {
    await using service = await reading((socket) => socket.write(RANGE));
    const evil = { ...requestOf(service.port), headers: { host: "localhost", range: "x\r\nGET /other HTTP/1.1" } };
    await expect(
      service.handler.handle(evil, { abortSignal: never, ...{ target: new Uint8Array(4) } }),
    ).rejects.toThrow();
    expect(service.requests).toEqual([]);
  });
});

test("a service behind TLS is read the same way, if its certificate is good", async () => {
  const { key, cert } = selfSigned("localhost");
  const server = createTlsServer({ key, cert });
  const service = await under(server, (socket) => socket.write(RANGE));
  server.on("secureConnection", service.serve);
  const handler = new RangeHandler({});
  const target = new Uint8Array(4);
  const get = () => handler.handle(requestOf(service.port, "https:"), { abortSignal: never, ...{ target } });
  await expect(get()).rejects.toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const trusted = getCACertificates("default");
  setDefaultCACertificates([...trusted, cert]);
  try {
    expect((await get()).response.body).toBeInstanceOf(FilledBody);
    expect(textOf(target)).toBe("0123");
  } finally {
    setDefaultCACertificates(trusted);
    handler.destroy();
    await service.close();
  }
});

/** A certificate of version 1 (RFC 5280) that Ed25519 has signed (RFC 8410). */
function selfSigned(name: string): { readonly key: string; readonly cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const algorithm = der(0x30, Buffer.from("06032b6570", "hex"));
  const commonName = der(0x30, Buffer.from("0603550403", "hex"), der(0x0c, Buffer.from(name)));
  const subject = der(0x30, der(0x31, commonName));
  const years = ["200101000000Z", "491231235959Z"].map((time) => der(0x17, Buffer.from(time)));
  const subjectKey = publicKey.export({ type: "spki", format: "der" });
  const serial = der(0x02, Buffer.from([1]));
  const body = der(0x30, serial, algorithm, subject, der(0x30, ...years), subject, subjectKey);
  const signature = der(0x03, Buffer.from([0]), sign(null, body, privateKey));
  const cert = der(0x30, body, algorithm, signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${cert}\n-----END CERTIFICATE-----\n`,
  };
}

/** Tag, length, contents. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts);
  const { byteLength } = contents;
  const length = byteLength < 0x80 ? [byteLength] : [0x82, byteLength >> 8, byteLength & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), contents]);
}
