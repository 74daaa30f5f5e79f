import { request as httpRequest } from "node:http";
import { expect, test } from "vitest";
import type { JournalFault, JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { HttpServer } from "#lib/gateway/http-server.ts";
import { type HttpAuthenticator, type HttpOperation, type HttpResource, OPEN_ACCESS } from "#lib/http/access.ts";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { RestConsumer, write } from "./consumer-world.ts";
import { HttpWorld } from "./http-world.ts";

test("a key needs its group for every call, and the topics that it reads", async () => {
  let may: (operation: HttpOperation, resource: HttpResource) => boolean = () => true;
  const auth: HttpAuthenticator = {
    authenticate: async () => ({ name: "test", may: (operation, resource) => may(operation, resource) }),
  };
  await using world = await HttpWorld.start({ auth });
  await world.createTopic("orders");
  await world.createTopic("secrets");
  await write(world, "orders", [1]);
  const one = new RestConsumer([world], "billing", "i");
  const only = (...names: readonly string[]) => {
    may = (operation, { name }) => operation === "read" && names.includes(name);
  };
  only("orders", "secrets");
  expect((await one.create()).body.error_code).toBe(40301);
  only("billing", "orders");
  expect((await one.create()).status).toBe(200);
  expect((await one.post("subscription", { topics: ["orders", "secrets"] })).body.error_code).toBe(40301);
  expect((await one.post("assignments", { partitions: [{ topic: "secrets", partition: 0 }] })).status).toBe(403);
  await one.subscribe("orders");
  expect(await one.values()).toEqual([1]);
  expect((await one.get("offsets?partitions=secrets:0")).status).toBe(403);
  only("billing");
  expect((await one.get("records")).status).toBe(403);
  only("orders");
  for (const path of ["records", "offsets", "subscription", "assignments"]) {
    expect([path, (await one.get(path)).status]).toEqual([path, 403]);
  }
  expect((await one.post("offsets")).status).toBe(403);
  expect((await one.delete()).status).toBe(403);
});

test("while the group's journal does not answer nobody says that an instance is not there", async () => {
  class Faults implements JournalFaultPlan {
    fault: JournalFault | undefined;

    next({ journal }: { readonly journal: string }): JournalFault | undefined {
      return journal.startsWith("group-") ? this.fault : undefined;
    }
  }
  const faults = new Faults();
  const journal = new MemoryJournal(new MemoryJournalService(new SystemClock()), faults, "broker-0");
  await using world = await HttpWorld.start({ journal, settings: { requestMsMax: 700 } });
  await world.createTopic("t");
  const one = new RestConsumer([world], "g", "i");
  const other = new RestConsumer([world], "g", "not-made");
  await one.create();
  await one.subscribe("t");
  faults.fault = { kind: "failure" };
  for (const each of [one, other]) {
    for (const path of ["records", "subscription"]) {
      const { status, body } = await each.get(path);
      expect([503, 504]).toContain(status);
      expect(Math.floor(body.error_code / 100)).toBe(status);
    }
  }
  faults.fault = undefined;
  await expect.poll(async () => (await one.get("subscription")).body).toEqual({ topics: ["t"] });
  expect((await other.get("subscription")).status).toBe(404);
});

test("a GET may say in its body which offsets it asks for, as the REST Proxy's clients do", async () => {
  await using broker = await startMemoryBroker();
  const settings = { listener: { host: "127.0.0.1", port: 0 }, connectionsMax: 100 };
  const services = { broker: broker.broker.services, auth: OPEN_ACCESS, telemetry: new MetricRegistry() };
  const server = new HttpServer(settings, services);
  const port = await server.start();
  const headers = { "content-type": "application/vnd.kafka.v2+json" };
  const send = (method: string, path: string, body = "") =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const sent = httpRequest({ host: "127.0.0.1", port, method, path, headers }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode, text }));
      });
      sent.on("error", reject);
      sent.setHeader("content-length", Buffer.byteLength(body));
      sent.end(body);
    });
  const path = "/consumers/g/instances/i";
  await send("POST", "/topics/t", '{"records":[{"value":"YQ=="},{"value":"YQ=="}]}');
  expect((await send("POST", "/consumers/g", '{"name":"i"}')).status).toBe(200);
  await send("POST", `${path}/assignments`, '{"partitions":[{"topic":"t","partition":0}]}');
  const commit = await send("POST", `${path}/offsets`, '{"offsets":[{"topic":"t","partition":0,"offset":0}]}');
  expect(commit).toEqual({ status: 200, text: "[]" });
  const asked = await send("GET", `${path}/offsets`, '{"partitions":[{"topic":"t","partition":0}]}');
  expect(asked).toEqual({
    status: 200,
    text: '{"offsets":[{"topic":"t","partition":0,"offset":1,"metadata":""}]}',
  });
  expect((await send("GET", `${path}/offsets`, '{"partitions":')).status).toBe(400);
  expect((await send("GET", `${path}/offsets`, '{"parts":[]}')).status).toBe(422);
  expect((await send("GET", `${path}/offsets`)).text).toBe(asked.text);
  await server.stop(AbortSignal.timeout(2_000));
});

test("bodies of GETs that do not come hold up no others", async () => {
  await using broker = await startMemoryBroker();
  const settings = { listener: { host: "127.0.0.1", port: 0 }, connectionsMax: 100 };
  const services = { broker: broker.broker.services, auth: OPEN_ACCESS, telemetry: new MetricRegistry() };
  const server = new HttpServer(settings, services);
  const port = await server.start();
  const headers = { "content-type": "application/vnd.kafka.binary.v2+json" };
  const send = (path: string, body: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers, body, signal: AbortSignal.timeout(3_000) });
  await send("/topics/t", '{"records":[{"value":"YQ=="}]}');
  await send("/consumers/g", '{"name":"i"}');
  const slow = Array.from({ length: 8 }, () => {
    const path = "/consumers/g/instances/i/offsets";
    const sent = httpRequest({ host: "127.0.0.1", port, path, headers: { ...headers, "content-length": "60" } });
    sent.on("error", () => {});
    sent.flushHeaders();
    return sent;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const records = Array.from({ length: 200 }, () => ({ value: "YWFh".repeat(100) }));
  expect((await send("/topics/t", JSON.stringify({ records }))).status).toBe(200);
  for (const each of slow) each.destroy();
  await server.stop(AbortSignal.timeout(2_000));
});
