import { describe, expect, test, vi } from "vitest";
import { S3ObjectStore } from "#lib/adapters/aws/s3-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { crc32c } from "#lib/record/crc32c.ts";
import { RequestLedger } from "#lib/runtime/ledger.ts";
import { CorruptObjectError, ObjectNotFoundError, StoreUnavailableError } from "#lib/storage/object-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import { type Behaviour, FakeService, s3Error } from "./fake-service.ts";

const never = new AbortController().signal;
const key = objectKey("wal/0000000001/ab/cd");
const clock = new SystemClock();

async function storeOn(...behaviours: readonly Behaviour[]) {
  const service = await FakeService.start(...behaviours);
  const client = service.s3Client();
  const ledger = new RequestLedger();
  // Long enough for a machine that is busy with other tests, unless there is nothing to wait for.
  const callMsMax = behaviours.includes("silence") ? 300 : 20_000;
  const store = new S3ObjectStore({ client, bucket: "bucket", prefix: "some/where", clock, ledger, callMsMax });
  return {
    service,
    store,
    ledger,
    async [Symbol.asyncDispose]() {
      client.destroy();
      await service[Symbol.asyncDispose]();
    },
  };
}

describe("a put", () => {
  test("is conditional, carries its CRC-32C, and its body is neither signed nor announced first", async () => {
    await using under = await storeOn({});
    const chunks = [Buffer.alloc(3, 1), new Uint8Array(0), Buffer.alloc(3_000_000, 2), Buffer.alloc(70_000, 3)];
    const whole = Buffer.concat(chunks);
    expect(await under.store.putIfAbsent(key, chunks, never)).toEqual({ kind: "written" });
    const { method, path, headers, body } = under.service.last;
    expect(`${method} ${path.split("?")[0]}`).toBe(`PUT /bucket/some/where/${key}`);
    expect(Buffer.compare(body, whole)).toBe(0);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32c(whole));
    expect(headers).toMatchObject({
      "if-none-match": "*",
      "content-length": String(whole.byteLength),
      "x-amz-checksum-crc32c": sum.toString("base64"),
      "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
    });
    expect(headers["expect"]).toBeUndefined();
    expect(headers["transfer-encoding"]).toBeUndefined();
  });

  test("that meets an object is told so", async () => {
    await using under = await storeOn(s3Error(412, "PreconditionFailed"));
    expect(await under.store.putIfAbsent(key, [Buffer.from("x")], never)).toEqual({ kind: "already-exists" });
  });

  test("that meets another put is sent again, whole, until one of them has won", async () => {
    const race = s3Error(409, "ConditionalRequestConflict");
    await using under = await storeOn(race, race, s3Error(412, "PreconditionFailed"));
    expect(await under.store.putIfAbsent(key, [Buffer.from("abc")], never)).toEqual({ kind: "already-exists" });
    expect(under.service.requests.map(({ body }) => body.toString())).toEqual(["abc", "abc", "abc"]);
  });

  test("that meets others for ever fails as a store that is unavailable", async () => {
    await using under = await storeOn(s3Error(409, "ConditionalRequestConflict"));
    const put = under.store.putIfAbsent(key, [Buffer.from("abc")], never);
    await expect(put).rejects.toMatchObject({ name: "StoreUnavailableError", reason: "io" });
  });

  test("that fails is not sent again in here, and nothing is written to the console", async () => {
    const warn = vi.spyOn(console, "warn");
    await using under = await storeOn(s3Error(503, "SlowDown"), {});
    const put = under.store.putIfAbsent(key, [Buffer.alloc(100_000)], never);
    await expect(put).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(under.service.requests).toHaveLength(1);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});

describe("connections", () => {
  test("are kept, also behind conditions that do not hold and keys that are not there", async () => {
    await using under = await storeOn(s3Error(412, "PreconditionFailed"));
    for (let n = 0; n < 5; n++) await under.store.putIfAbsent(key, [Buffer.alloc(100_000)], never);
    under.service.answer(s3Error(404, "NoSuchKey"));
    for (let n = 0; n < 5; n++) await expect(under.store.get(key, never)).rejects.toBeInstanceOf(ObjectNotFoundError);
    expect(under.service.connections).toBe(1);
  });

  test("are ended when a put is refused before its body is out", async () => {
    await using under = await storeOn({});
    under.service.answersAtOnce = true;
    const put = under.store.putIfAbsent(key, [Buffer.alloc(30_000_000)], never);
    await expect(put).rejects.toBeInstanceOf(StoreUnavailableError);
    await expect.poll(() => under.service.openConnections).toBe(0);
  });
});

test("a directory bucket is asked for a session first, and used with it", async () => {
  const credentials = ["SessionToken", "SecretAccessKey", "AccessKeyId"].map(
    (name) => `<${name}>its-${name}</${name}>`,
  );
  const session = `<CreateSessionResult><Credentials>${credentials.join("")}<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></CreateSessionResult>`;
  await using service = await FakeService.start({ body: session }, {});
  const client = service.s3Client();
  const bucket = "bucket--use1-az4--x-s3";
  const store = new S3ObjectStore({ client, bucket, clock, ledger: new RequestLedger() });
  expect(await store.putIfAbsent(key, [Buffer.from("abc")], never)).toEqual({ kind: "written" });
  expect(await store.putIfAbsent(key, [Buffer.from("abc")], never)).toEqual({ kind: "written" });
  client.destroy();
  const [first, ...puts] = service.requests;
  expect(first?.path).toContain("session");
  expect(
    puts.map(({ method, headers }) => [method, headers["if-none-match"], headers["x-amz-s3session-token"]]),
  ).toEqual([
    ["PUT", "*", "its-SessionToken"],
    ["PUT", "*", "its-SessionToken"],
  ]);
});

describe("what goes wrong has a reason and a text that says what to do", () => {
  const cases: readonly (readonly [Behaviour, string, RegExp])[] = [
    [s3Error(404, "NoSuchBucket"), "root", /s3:\/\/bucket\/some\/where: the bucket does not exist: make it/],
    [s3Error(403, "AccessDenied"), "root", /access denied: allow these credentials s3:GetObject/],
    [{ status: 403 }, "root", /access denied/],
    [s3Error(403, "InvalidAccessKeyId"), "root", /credentials are not accepted/],
    [s3Error(403, "SignatureDoesNotMatch"), "root", /credentials are not accepted/],
    [s3Error(400, "ExpiredToken"), "io", /credentials have expired: renew them/],
    [s3Error(301, "PermanentRedirect"), "root", /another region: set AWS_REGION/],
    [s3Error(400, "AuthorizationHeaderMalformed"), "root", /another region/],
    [s3Error(501, "NotImplemented"), "root", /conditional puts/],
    [s3Error(403, "RequestTimeTooSkewed"), "io", /clock is wrong/],
    [s3Error(507, "XMinioStorageFull"), "full", /no room left/],
    [s3Error(503, "SlowDown"), "io", /SlowDown \(HTTP 503\): told so/],
    [s3Error(500, "InternalError"), "io", /InternalError/],
    [s3Error(429, "TooManyRequests"), "io", /429/],
    [{ status: 503, body: "<html>busy</html>" }, "io", /503/],
    [{ status: 503 }, "io", /503/],
    ["cut", "io", /socket hang up|ECONNRESET/],
    ["silence", "io", /no answer within 301 ms/],
  ];

  test.each(cases)("of a put: %j", async (behaviour, reason, text) => {
    await using under = await storeOn(behaviour);
    const error: unknown = await under.store.putIfAbsent(key, [Buffer.from("x")], never).catch((each) => each);
    expect(error).toMatchObject({ name: "StoreUnavailableError", reason, message: expect.stringMatching(text) });
    expect(error).not.toHaveProperty("cause");
    expect(String(error)).not.toContain("\n");
  });

  test("nobody at the address", async () => {
    const { service, store } = await storeOn({});
    await service[Symbol.asyncDispose]();
    await expect(store.get(key, never)).rejects.toMatchObject({ message: expect.stringMatching(/cannot be reached/) });
  });
});

describe("a read", () => {
  const range = { position: 3, byteLength: 4 };

  test("asks for its range and fills the memory that it is given", async () => {
    await using under = await storeOn({ status: 206, body: "3456", headers: { "content-range": "bytes 3-6/10" } });
    const target = new Uint8Array(4);
    expect(await under.store.getRange(key, range, never, target)).toBe(target);
    expect(Buffer.from(target).toString()).toBe("3456");
    expect(under.service.last.headers["range"]).toBe("bytes=3-6");
  });

  test("of a range that the object does not have is a corrupt object", async () => {
    await using under = await storeOn(s3Error(416, "InvalidRange"), {
      status: 206,
      body: "34",
      headers: { "content-range": "bytes 3-4/5" },
    });
    for (let n = 0; n < 2; n++) {
      await expect(under.store.getRange(key, range, never)).rejects.toBeInstanceOf(CorruptObjectError);
    }
    expect(under.service.requests).toHaveLength(2);
  });

  test("of a service that knows no ranges is refused", async () => {
    await using under = await storeOn({ body: "0123456789" });
    await expect(under.store.getRange(key, range, never)).rejects.toBeInstanceOf(StoreUnavailableError);
  });

  test("of a missing object finds nothing; a missing bucket is another thing", async () => {
    await using under = await storeOn(s3Error(404, "NoSuchKey"), { status: 404 }, s3Error(404, "NoSuchBucket"));
    for (let n = 0; n < 2; n++) await expect(under.store.get(key, never)).rejects.toBeInstanceOf(ObjectNotFoundError);
    await expect(under.store.get(key, never)).rejects.toMatchObject({ reason: "root" });
  });

  test("that is refused for now or cut in the middle is sent again a few times", async () => {
    const good = { status: 206, body: "3456", headers: { "content-range": "bytes 3-6/10" } };
    await using under = await storeOn(s3Error(503, "SlowDown"), { ...good, cutAfterBytes: 2 }, good);
    expect(Buffer.from(await under.store.getRange(key, range, never)).toString()).toBe("3456");
    under.service.answer(s3Error(503, "SlowDown"));
    await expect(under.store.getRange(key, range, never)).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(under.service.requests).toHaveLength(6);
  });

  test("of a silent store is given up once, and its connection is ended", async () => {
    await using under = await storeOn("silence");
    const small = under.store.list({ prefix: "", startAfter: "", limit: 1 }, never);
    await expect(small).rejects.toMatchObject({ message: expect.stringMatching(/no answer within 300 ms/) });
    expect(under.service.requests).toHaveLength(1);
    await expect.poll(() => under.service.abandoned).toBe(1);
  });

  test("whose caller gives up fails with the caller's reason, and its connection is ended", async () => {
    await using under = await storeOn("silence", { body: "0123456789", cutAfterBytes: 5 });
    const controller = new AbortController();
    const reading = under.store.get(key, controller.signal);
    await expect.poll(() => under.service.requests).toHaveLength(1);
    controller.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    await expect.poll(() => under.service.abandoned).toBe(1);
  });
});

describe("a listing", () => {
  const page = (keys: readonly string[], token = "") =>
    `<?xml version="1.0"?><ListBucketResult><IsTruncated>${token !== ""}</IsTruncated>${
      token === "" ? "" : `<NextContinuationToken>${token}</NextContinuationToken>`
    }${keys.map((each) => `<Contents><Key>${each}</Key><Size>7</Size><LastModified>2026-11-21T00:00:00.000Z</LastModified></Contents>`).join("")}</ListBucketResult>`;

  test("leaves out what others have put there, and goes on over pages until it has enough", async () => {
    await using under = await storeOn(
      { body: page(["some/where/", "some/where/a//b", "some/where/a/1"], "t1") },
      { body: page(["some/where/a/2", "some/where/a/3"], "t2") },
    );
    const listing = await under.store.list({ prefix: "a/", startAfter: "a/0", limit: 3 }, never);
    expect(listing.objects.map((object) => object.key)).toEqual(["a/1", "a/2", "a/3"]);
    expect(listing).toMatchObject({ isTruncated: true });
    expect(listing.objects[0]).toMatchObject({ byteLength: 7, lastModifiedMs: Date.UTC(2026, 10, 21) });
    const queries = under.service.requests.map(({ path }) => new URLSearchParams(path.split("?")[1]));
    expect(queries.map((each) => [each.get("prefix"), each.get("start-after"), each.get("max-keys")])).toEqual([
      ["some/where/a/", "some/where/a/0", "3"],
      ["some/where/a/", null, "2"],
    ]);
    expect(queries[1]?.get("continuation-token")).toBe("t1");
  });
});

describe("a deletion", () => {
  const keys = Array.from({ length: 1_500 }, (_, index) => objectKey(`d/${index}`));

  test("goes out in requests of a thousand keys and answers those that are gone", async () => {
    const errors =
      "<Error><Key>some/where/d/7</Key><Code>InternalError</Code></Error><Error><Key>some/where/d/8</Key><Code>NoSuchKey</Code></Error>";
    await using under = await storeOn(
      { body: `<?xml version="1.0"?><DeleteResult>${errors}</DeleteResult>` },
      { body: `<?xml version="1.0"?><DeleteResult></DeleteResult>` },
    );
    const gone = await under.store.deleteAll(keys, never);
    expect(gone.size).toBe(1_499);
    expect(gone.has(objectKey("d/7"))).toBe(false);
    expect(gone.has(objectKey("d/8"))).toBe(true);
    expect(under.service.requests.map(({ body }) => body.toString().split("<Key>").length - 1)).toEqual([1_000, 500]);
  });

  test("of which nothing succeeds fails with the reason", async () => {
    const denied = "<Error><Key>some/where/d/0</Key><Code>AccessDenied</Code></Error>";
    await using under = await storeOn({ body: `<?xml version="1.0"?><DeleteResult>${denied}</DeleteResult>` });
    await expect(under.store.deleteAll(keys.slice(0, 1), never)).rejects.toMatchObject({ reason: "root" });
  });

  test("of a part that fails answers the other part", async () => {
    const good = { body: `<?xml version="1.0"?><DeleteResult></DeleteResult>` };
    await using under = await storeOn(good, s3Error(403, "AccessDenied"));
    expect((await under.store.deleteAll(keys, never)).size).toBe(1_000);
  });
});

test("every attempt is counted, with the bytes that it moved", async () => {
  await using under = await storeOn(s3Error(409, "ConditionalRequestConflict"), {}, s3Error(503, "SlowDown"), {
    body: "0123456789",
  });
  await under.store.putIfAbsent(key, [Buffer.alloc(5)], never);
  await under.store.get(key, never);
  const common = { target: "bucket", topic: "", requests: 2, failures: 1, units: 0 };
  expect(under.ledger.snapshot()).toEqual([
    { ...common, kind: "s3:GetObject", bytesSent: 0, bytesReceived: 10 },
    { ...common, kind: "s3:PutObject", bytesSent: 10, bytesReceived: 0 },
  ]);
});
