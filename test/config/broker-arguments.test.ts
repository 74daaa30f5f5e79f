import { expect, test } from "vitest";
import { brokerArguments } from "#lib/config/broker-arguments.ts";
import {
  isSettingsEnvironment,
  mergeSettings,
  parseServeSettings,
  type RawSettings,
  settingsFromFile,
} from "#lib/config/serve-settings.ts";

function argumentsOf(given: RawSettings, brokerId: number, taken?: Parameters<typeof brokerArguments>[2]["taken"]) {
  return brokerArguments(given, parseServeSettings(given), { brokerId, taken });
}

test("broker k gets the given ports and k, and all else that was given", () => {
  const given: RawSettings = {
    "data-dir": "-d",
    brokers: "3",
    stores: "2",
    kafka: ["IN=127.0.0.1:9092", "OUT=[::1]:9192"],
    advertise: ["OUT=kafka.example.com:443"],
    http: "127.0.0.1:8082",
    "broker-config": ["num.partitions=6"],
  };
  expect(argumentsOf(given, 2)).toEqual([
    "--data-dir=-d",
    "--stores=2",
    "--kafka=IN=127.0.0.1:9094",
    "--kafka=OUT=[::1]:9194",
    "--advertise=OUT=kafka.example.com:445",
    "--broker-id=2",
    "--http=127.0.0.1:8084",
    "--broker-config=num.partitions=6",
  ]);
});

test("a broker is told what its flags come to where nothing was said", () => {
  expect(argumentsOf({ brokers: "2" }, 1)).toEqual([
    "--kafka=PLAINTEXT=127.0.0.1:9093",
    "--broker-id=1",
    "--http=127.0.0.1:8083",
  ]);
});

test("what a broker is told comes to the same settings", () => {
  const given = settingsFromFile("f", '{"brokers": 2, "rack": "a", "broker-config": {"num.partitions": 6}}');
  const told: Record<string, string[]> = {};
  for (const argument of argumentsOf(given, 0)) {
    const [, name = "", value = ""] = /^--([a-z-]+)=(.*)$/.exec(argument) ?? [];
    told[name] = [...(told[name] ?? []), value];
  }
  const single = ["rack", "http", "broker-id"].map((name) => [name, told[name]?.[0] ?? ""]);
  const settings = parseServeSettings(mergeSettings(Object.fromEntries(single), told as RawSettings));
  expect(settings).toEqual({ ...parseServeSettings(given), brokerCount: undefined });
});

test("a free port that a broker has got once is asked for again", () => {
  const given: RawSettings = { brokers: "2", kafka: "127.0.0.1:0", http: "127.0.0.1:0" };
  expect(argumentsOf(given, 1)).toContain("--kafka=PLAINTEXT=127.0.0.1:0");
  const taken = { kafka: [{ host: "127.0.0.1", port: 5001 }], http: { host: "127.0.0.1", port: 5002 } };
  expect(argumentsOf(given, 1, taken)).toEqual([
    "--kafka=PLAINTEXT=127.0.0.1:5001",
    "--broker-id=1",
    "--http=127.0.0.1:5002",
  ]);
});

test.each<[RawSettings, string]>([
  [{ brokers: "3", "broker-id": "1" }, "broker-id: not used with brokers"],
  [{ brokers: "0" }, 'brokers: "0" is not usable: expected a whole number, 1 to 32'],
  [{ stores: "many" }, 'stores: "many" is not usable: expected a whole number, 1 to 32'],
  [{ brokers: "3", kafka: "127.0.0.1:65534" }, "kafka: broker 2 would listen on 127.0.0.1:65536"],
  [
    { brokers: "3", kafka: ["A=127.0.0.1:9092", "B=127.0.0.1:9094"] },
    "kafka: 127.0.0.1:9094 would be broker 0's and is broker 2's: 3 brokers take 3 ports from each given one on",
  ],
  [{ brokers: "3", kafka: "127.0.0.1:8082", http: "127.0.0.1:8083" }, "http: 127.0.0.1:8083 would be broker 0's"],
  [{ brokers: "3", store: "s3://bucket", journal: "dynamodb://table" }, "brokers: not used with store and journal"],
  [{ stores: "3", store: "s3://bucket", journal: "dynamodb://table" }, "stores: not used with store and journal"],
])("%j is refused", (given, text) => {
  expect(() => parseServeSettings(given)).toThrow(text);
});

test("what a supervisor was told by its environment is kept from its brokers, and nothing else", () => {
  const names = ["MILLRACE_BROKERS", "MILLRACE_CONFIG", "MILLRACE_SUPERVISED", "MILLRACE_BROKER_CONFIG"];
  expect(names.filter(isSettingsEnvironment)).toEqual(names);
  expect(["PATH", "MILLRACE_URL"].filter(isSettingsEnvironment)).toEqual([]);
});
