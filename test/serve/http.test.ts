import { createServer } from "node:net";
import { expect, test } from "vitest";
import { parseServeSettings } from "#lib/config/serve-settings.ts";
import { refusal, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

test.concurrent("the line names the HTTP door, which serves what the Kafka door serves, and stops with it", async () => {
  using directory = new TemporaryDirectory();
  const args = ["--http", "127.0.0.1:0"];
  await using broker = await ServeProcess.start({ dataDir: directory.path, args });
  const [, http = ""] = /^ready kafka=127\.0\.0\.1:\d+ http=(127\.0\.0\.1:\d+)$/m.exec(broker.stdout) ?? [];
  const url = `http://${http}`;
  const headers = { "content-type": "application/vnd.kafka.json.v2+json" };
  const produced = await fetch(`${url}/topics/t`, { method: "POST", headers, body: '{"records":[{"value":1}]}' });
  expect(produced.status).toBe(200);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain("millrace_produced_records_total 1");
  expect(metrics).toContain('millrace_journal_appends_total{journal="log",result="appended"}');
  expect(metrics).toContain("process_cpu_seconds_total");
  const stream = await fetch(`${url}/v1/topics/t/partitions/0/records`, { headers: { accept: "text/event-stream" } });
  const { code } = await broker.stop();
  expect(code).toBe(0);
  expect(await stream.text()).toContain("id: 0");
});

test.concurrent("a taken HTTP port is told with its flag, exit status 1", async () => {
  using directory = new TemporaryDirectory();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const port = typeof bound === "object" ? bound?.port : undefined;
  const { code, stdout, stderr } = await refusal({ dataDir: directory.path, args: ["--http", `127.0.0.1:${port}`] });
  server.close();
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(`cannot listen on 127.0.0.1:${port}`);
  expect(stderr).toContain("--http HOST:PORT, do without with --http off");
});

test("HTTP is at 127.0.0.1:8082 unless told otherwise, and off beside a Kafka listener that is named", () => {
  expect(parseServeSettings({}).http).toEqual({ host: "127.0.0.1", port: 8082 });
  expect(parseServeSettings({}, { kafka: "127.0.0.1:9092" }).http).toBeUndefined();
  expect(parseServeSettings({ kafka: "a:1", http: "b:2" }).http).toEqual({ host: "b", port: 2 });
  expect(parseServeSettings({ http: "off" }).http).toBeUndefined();
  expect(() => parseServeSettings({ http: "8082" })).toThrow('http: "8082" is not usable: expected HOST:PORT');
  expect(parseServeSettings({ "http-cors-origin": "https://a.com" }).httpCorsOrigins).toEqual(["https://a.com"]);
  expect(() => parseServeSettings({ "http-cors-origin": "a.com/x" })).toThrow("expected an origin");
});
