import { existsSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";
import { environmentName, SERVE_OPTIONS, type ServeOption } from "#lib/config/serve-options.ts";
import {
  parseServeSettings,
  SettingsError,
  settingsFromEnvironment,
  settingsFromFile,
} from "#lib/config/serve-settings.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { refusal, ServeProcess, TemporaryDirectory } from "./serve-process.ts";

/** Refused before anything was made: exit status 2, nothing on stdout, no data directory. */
async function refusedSettings(options: {
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}): Promise<string> {
  using directory = new TemporaryDirectory();
  const dataDir = directory.file("data");
  const { code, stdout, stderr } = await refusal({ dataDir, ...options });
  expect([code, stdout]).toEqual([2, ""]);
  expect(existsSync(dataDir)).toBe(false);
  return stderr;
}

test.concurrent("an unknown broker config or a wrong value of one refuses to start with exit status 2", async () => {
  expect(await refusedSettings({ args: ["--broker-config", "num.partition=3"] })).toContain("num.partition");
  expect(() => parseBrokerConfigs([["num.partitions", "many"]])).toThrow(/num\.partitions.*many|many.*num\.partitions/);
});

test.concurrent("a config file that is no JSON refuses to start with exit status 2", async () => {
  using directory = new TemporaryDirectory();
  const file = directory.file("millrace.json");
  writeFileSync(file, "{ kafka: }");
  expect(await refusedSettings({ environment: { MILLRACE_CONFIG: file } })).toContain(
    `config file ${file} is not JSON`,
  );
});

test("an unknown variable with our prefix is an error that names it", () => {
  const parse = () => settingsFromEnvironment({ MILLRACE_DATA_DIRECTORY: "/tmp" });
  expect(parse).toThrow(SettingsError);
  expect(parse).toThrow("MILLRACE_DATA_DIRECTORY is not a setting");
});

test("what the other commands read from the environment is nothing to a broker", () => {
  const environment = {
    MILLRACE_BOOTSTRAP_SERVER: "127.0.0.1:9092",
    MILLRACE_URL: "https://example.com",
    MILLRACE_KEY: "mr_secret",
    MILLRACE_RACK: "a",
  };
  expect(settingsFromEnvironment(environment)).toEqual({ rack: "a" });
});

test.concurrent("flags win over the environment, the environment over the config file", async () => {
  using directory = new TemporaryDirectory();
  const file = directory.file("millrace.json");
  writeFileSync(file, JSON.stringify({ "broker-id": 1, rack: "file", "linger-ms": 7, "data-dir": "/nowhere/at/all" }));
  const environment = { MILLRACE_CONFIG: file, MILLRACE_BROKER_ID: "2", MILLRACE_RACK: "environment" };
  const dataDir = directory.file("data");
  await using broker = await ServeProcess.start({ dataDir, args: ["--broker-id", "3"], environment });
  expect(existsSync(directory.file("data", "broker-3.lock"))).toBe(true);
  await using connection = await broker.connect();
  const { brokers } = await connection.send(Apis.DESCRIBE_CLUSTER, 0, { includeClusterAuthorizedOperations: false });
  expect(brokers.map(({ brokerId, rack }) => [brokerId, rack])).toEqual([[3, "environment"]]);
});

test.concurrent("the help shows every setting with its unit, its default and its name in the environment", async () => {
  await using help = new ServeProcess([process.execPath, "bin/millrace.ts", "serve", "--help"]);
  const { code, stdout } = await help.ended;
  expect(code).toBe(0);
  const text = stdout.replace(/\s+/g, " ");
  for (const option of SERVE_OPTIONS as readonly ServeOption[]) {
    expect(text).toContain(`--${option.name} <${option.value}> ${option.description} (${environmentName(option.name)}`);
    if (option.default !== undefined) expect(text).toContain(`default: ${option.default}`);
    if (option.name.endsWith("-ms")) expect(option.description).toContain("milliseconds");
    if (option.name.endsWith("-bytes")) expect(option.value).toBe("BYTES");
  }
});

const refusedValues: readonly (readonly [string, string])[] = [
  ["data-dir", ""],
  ["kafka", "9092"],
  ["kafka", "localhost:65536"],
  ["kafka", "::1:9092"],
  ["advertise", "OTHER=localhost:1"],
  ["broker-id", "-1"],
  ["broker-id", "2147483648"],
  ["broker-config", "num.partitions"],
  ["linger-ms", "1s"],
  ["linger-ms", "10001"],
  ["inline-bytes", "131073"],
  ["block-cache-bytes", "1"],
  ["workers", "compactor,janitor"],
  ["workers", "replicator"],
  ["drain-ms", ""],
  ["log-level", "loud"],
];

test.each(refusedValues)("a wrong %s, %j, is an error that names it", (name, value) => {
  const parse = () => parseServeSettings({ [name]: value });
  expect(parse).toThrow(SettingsError);
  expect(parse).toThrow(new RegExp(`^${name}: `));
});

test("workers are named one by one, or all or none of them", () => {
  const workersOf = (workers: string) => parseServeSettings({ workers }).workers;
  expect(parseServeSettings().workers).toEqual(workersOf("all"));
  expect(workersOf("none")).toEqual([]);
  expect(workersOf("compactor, retention")).toEqual(["compactor", "retention"]);
});

test.each([
  ["[1]", "expected an object"],
  ['{"kafkas": "localhost:1"}', "kafkas is not a setting"],
  ['{"rack": null}', "rack: expected"],
  ['{"linger-ms": true}', "linger-ms: expected"],
  ['{"rack": ["a", "b"]}', "rack"],
])("a config file of %s is refused", (text, message) => {
  const parse = () => parseServeSettings(settingsFromFile("a.json", text));
  expect(parse).toThrow(SettingsError);
  expect(parse).toThrow(message);
});

test("a config file says lists as lists and broker configs as an object", () => {
  const text = JSON.stringify({
    kafka: ["A=127.0.0.1:1", "B=[::1]:2"],
    "broker-config": { "num.partitions": 6, "auto.create.topics.enable": false },
    "linger-ms": 5,
  });
  const { listeners, brokerConfigs, lingerMs } = parseServeSettings(settingsFromFile("a.json", text));
  expect(listeners.map(({ name, host, port }) => [name, host, port])).toEqual([
    ["A", "127.0.0.1", 1],
    ["B", "::1", 2],
  ]);
  expect([...brokerConfigs]).toEqual([
    ["num.partitions", "6"],
    ["auto.create.topics.enable", "false"],
  ]);
  expect(lingerMs).toBe(5);
});

test("repeatable settings are separated by commas in the environment", () => {
  const environment = { MILLRACE_KAFKA: "A=127.0.0.1:1,B=127.0.0.1:2", HOME: "/" };
  const { listeners } = parseServeSettings(settingsFromEnvironment(environment));
  expect(listeners.map(({ name }) => name)).toEqual(["A", "B"]);
});

test("two listeners of one name are refused", () => {
  expect(() => parseServeSettings({ kafka: ["127.0.0.1:1", "127.0.0.1:2"] })).toThrow("two listeners are called");
});
