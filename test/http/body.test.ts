import { expect, test } from "vitest";
import { readBody } from "#lib/http/body.ts";
import { BodyBudget } from "#lib/http/body-budget.ts";
import { checkBody } from "#lib/http/check-request.ts";
import { DEFAULT_HTTP_SETTINGS } from "#lib/http/http-services.ts";
import { V2_PRODUCE_ROUTES } from "#lib/http/routes/v2-produce.ts";
import { ByteBudget } from "#lib/log/fetch-budget.ts";
import { defined } from "#lib/util/assert.ts";
import { HTTP_BODY_BYTES_MAX } from "#lib/util/limits.ts";
import { HttpWorld } from "./http-world.ts";

const NEVER = new AbortController().signal;

test("a body that does not come to its end is given up after the time of a request", async () => {
  await using world = await HttpWorld.start({ settings: { requestMsMax: 100 } });
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from("{")) });
  const init = { method: "POST", headers, body, duplex: "half" as const };
  const { status, body: refusal } = await world.json("/topics/orders", init);
  expect([status, refusal.error_code]).toEqual([504, 50401]);
});

test("a body counts until its request is done, and one without a length as much as it turned out to have", async () => {
  const bodies = new ByteBudget(1_000);
  const headers = { "content-type": "application/json" };
  const text = '{"records":[{"value":"YQ=="}]}';
  const of = (body: string) => new Request("http://a/topics/t", { method: "POST", headers, body });
  const runtime = { bodies, settings: { ...DEFAULT_HTTP_SETTINGS, bodyBytesMax: 800 } };
  const route = defined(V2_PRODUCE_ROUTES[0], "the first route");
  {
    using first = await checkBody(route, of(text), runtime, NEVER);
    expect(first.body).toMatchObject({ records: [{}] });
    expect(bodies.usedBytes).toBe(text.length);
    // Two of the largest do not fit in at once.
    using second = await readBody(of(text), 800, bodies, NEVER);
    expect(bodies.usedBytes).toBe(text.length + second.bytes.byteLength);
  }
  expect(bodies.usedBytes).toBe(0);
});

test("bodies without a length that do not come hold up none that do", async () => {
  const bodies = new BodyBudget();
  const of = (chunks: readonly Uint8Array[], isWhole: boolean) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        if (isWhole) controller.close();
      },
    });
    return new Request("http://a/topics/t", { method: "POST", body, duplex: "half" });
  };
  const over = new AbortController();
  const bytesMax = HTTP_BODY_BYTES_MAX;
  const slow = Array.from({ length: 20 }, () =>
    readBody(of([new Uint8Array(10)], false), bytesMax, bodies, over.signal),
  );
  const large = of([new Uint8Array(100_000), new Uint8Array(1_000_000)], true);
  using received = await readBody(large, bytesMax, bodies, AbortSignal.timeout(2_000));
  expect(received.bytes.byteLength).toBe(1_100_000);
  over.abort();
  for (const { status } of await Promise.allSettled(slow)) expect(status).toBe("rejected");
});

test.each([
  ["no JSON", "{", 400],
  ["other JSON than expected", "{}", 422],
])("a refused body holds nothing: %s", async (_, body, status) => {
  const bodies = new ByteBudget(1_000);
  const headers = { "content-type": "application/json", "content-length": String(body.length) };
  const request = new Request("http://a/topics/t", { method: "POST", headers, body });
  const checking = checkBody(
    defined(V2_PRODUCE_ROUTES[0], "the first route"),
    request,
    { bodies, settings: DEFAULT_HTTP_SETTINGS },
    NEVER,
  );
  await expect(checking).rejects.toMatchObject({ status });
  expect(bodies.usedBytes).toBe(0);
});

test("large bodies that do not come hold up no small ones", async () => {
  await using world = await HttpWorld.start();
  const stalled = (): RequestInit => {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from("{")) });
    const headers = { "content-type": "application/json", "content-length": String(6 * 1024 * 1024) };
    return { method: "POST", headers, body, duplex: "half" as const };
  };
  const leaving = new AbortController();
  const uploads = Array.from({ length: 8 }, () =>
    world.request("/topics/orders", { ...stalled(), signal: leaving.signal }),
  );
  const body = JSON.stringify({ records: [{ value: "YQ==" }] });
  const headers = { "content-type": "application/json", "content-length": String(body.length) };
  expect((await world.json("/topics/orders", { method: "POST", headers, body })).status).toBe(200);
  leaving.abort();
  expect((await Promise.all(uploads)).map(({ status }) => status)).toEqual(Array(8).fill(499));
});
