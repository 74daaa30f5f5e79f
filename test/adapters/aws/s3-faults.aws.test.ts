import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { S3ObjectStore } from "#lib/adapters/aws/s3-object-store.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { type ObjectKey, objectKey } from "#lib/util/branded.ts";
import { FaultProxy } from "../../localstack/faults/proxy.ts";
import { clock, hasS3, makeBucket, never, type Reached, reachStore, s3Endpoint, uniqueName } from "./emulator.ts";

const PUT = "^PUT /.*x-id=PutObject";
const GET = "^GET /.*x-id=GetObject";
const BODY = Buffer.alloc(300_000, 7);

describe.runIf(hasS3)("S3ObjectStore behind a bad network", () => {
  let proxy: FaultProxy;
  let reached: Reached<S3ObjectStore>;
  let store: S3ObjectStore;
  let key: ObjectKey;

  beforeAll(async () => {
    proxy = await FaultProxy.start({ target: s3Endpoint() });
    reached = reachStore({ bucket: await makeBucket(), endpoint: proxy.url, callMsMax: 2_000 });
    store = reached.port;
  });
  beforeEach(() => {
    proxy.clear();
    key = objectKey(`faults/${uniqueName()}`);
  });
  afterAll(async () => {
    reached.close();
    await proxy[Symbol.asyncDispose]();
  });

  const put = () => store.putIfAbsent(key, [BODY.subarray(0, 100_000), BODY.subarray(100_000)], never);
  const isWhole = async () => Buffer.compare(await store.get(key, never), BODY) === 0;

  test("a put whose answer was lost shows up as already there when it is sent again", async () => {
    proxy.add({ match: PUT, fault: "lose-answer", times: 1 });
    await expect(put()).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(await put()).toEqual({ kind: "already-exists" });
    expect(await isWhole()).toBe(true);
  });

  test("a put that was lost is written when it is sent again", async () => {
    proxy.add({ match: PUT, fault: "lose-request", times: 1 });
    await expect(put()).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(await put()).toEqual({ kind: "written" });
    expect(await isWhole()).toBe(true);
  });

  test("a put that lands late meets the one that was sent meanwhile, and changes nothing", async () => {
    proxy.add({ match: PUT, fault: "write-late", afterMs: 400, times: 1 });
    await expect(store.putIfAbsent(key, [Buffer.from("late")], never)).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(await put()).toEqual({ kind: "written" });
    await proxy.settled();
    expect(await isWhole()).toBe(true);
  });

  test("a throttled put fails as one that may be tried again, and has written nothing", async () => {
    proxy.add({ match: PUT, fault: "refuse", code: "SlowDown", times: 1 });
    await expect(put()).rejects.toMatchObject({ reason: "io", message: expect.stringMatching(/SlowDown/) });
    expect(await put()).toEqual({ kind: "written" });
  });

  test("a put that meets another one under way is sent again", async () => {
    const conflict = proxy.add({ match: PUT, fault: "refuse", code: "ConditionalRequestConflict", times: 2 });
    expect(await put()).toEqual({ kind: "written" });
    expect(conflict.hits).toBe(2);
  });

  test("a put into silence is given up in time", async () => {
    proxy.add({ match: PUT, fault: "hang" });
    const beganMs = clock.monotonicMs();
    await expect(put()).rejects.toMatchObject({ message: expect.stringMatching(/no answer within/) });
    expect(clock.monotonicMs() - beganMs).toBeLessThan(10_000);
  });

  test("a read that is throttled, lost or cut is tried again, and never short", async () => {
    await put();
    proxy.set(
      { match: GET, fault: "refuse", code: "SlowDown", times: 1 },
      { match: GET, fault: "cut-answer", afterBytes: 70_000, times: 1 },
    );
    expect(await isWhole()).toBe(true);
    proxy.set(
      { match: GET, fault: "lose-answer", times: 1 },
      { match: GET, fault: "cut-answer", afterBytes: 1_000, times: 1 },
    );
    const target = new Uint8Array(200_000);
    await store.getRange(key, { position: 50_000, byteLength: 200_000 }, never, target);
    expect(Buffer.compare(target, BODY.subarray(0, 200_000))).toBe(0);
  });

  test("a deletion whose answer was lost is done all the same", async () => {
    await put();
    proxy.add({ match: "^POST /.*delete", fault: "lose-answer", times: 1 });
    expect(await store.deleteAll([key], never)).toEqual(new Set([key]));
    await expect(store.get(key, never)).rejects.toMatchObject({ name: "ObjectNotFoundError" });
  });
});

describe.runIf(hasS3)("three stores behind bad networks", () => {
  test("take every object in as many copies as asked, each copy whole", async () => {
    await using closing = new AsyncDisposableStack();
    const stores = new Map<number, S3ObjectStore>();
    const clean = new Map<number, S3ObjectStore>();
    for (const id of [0, 1, 2]) {
      const proxy = closing.use(
        await FaultProxy.start({
          target: s3Endpoint(),
          rules: [
            { match: PUT, fault: "lose-answer", probability: 0.06 },
            { match: PUT, fault: "lose-request", probability: 0.06 },
            { match: PUT, fault: "write-late", afterMs: 300, probability: 0.04 },
            { match: PUT, fault: "refuse", code: "SlowDown", probability: 0.06 },
            { match: PUT, fault: "refuse", code: "ConditionalRequestConflict", probability: 0.06 },
            { match: PUT, fault: "delay", delayMs: [0, 60], probability: 0.4 },
          ],
        }),
      );
      const bucket = await makeBucket();
      const faulty = reachStore({ bucket, endpoint: proxy.url });
      const direct = reachStore({ bucket });
      closing.defer(faulty.close);
      closing.defer(direct.close);
      stores.set(id, faulty.port);
      clean.set(id, direct.port);
    }
    const ports = { clock, random: new SystemRandom(), logger: SILENT_LOGGER };
    const writer = new ReplicatedWriter({ stores: new StoreSet(stores), ...ports });
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const key = objectKey(`wal/${index}`);
        const chunks = [Buffer.alloc(20_000, index), Buffer.from(`end of ${index}`)];
        const copies = await writer.put({ key, chunks, placement: [0, 1, 2], needed: 2 }, never);
        expect(copies.length).toBeGreaterThanOrEqual(2);
        for (const id of copies) {
          const found = await clean.get(id)?.get(key, never);
          expect(Buffer.compare(found ?? Buffer.alloc(0), Buffer.concat(chunks))).toBe(0);
        }
      }),
    );
    await writer.drain();
  });
});
