import { expect, test } from "vitest";
import { HttpWorld } from "./http-world.ts";

test("a body that does not come to its end is given up after the time of a request", async () => {
  await using world = await HttpWorld.start({ settings: { requestMsMax: 100 } });
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from("{")) });
  const init = { method: "POST", headers, body, duplex: "half" as const };
  const { status, body: refusal } = await world.json("/topics/orders", init);
  expect([status, refusal.error_code]).toEqual([504, 50401]);
});
