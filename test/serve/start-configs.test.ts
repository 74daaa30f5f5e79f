import { expect, test } from "vitest";
import { BrokerConfigError } from "#lib/cluster/broker-configs.ts";
import { parseServeSettings } from "#lib/config/serve-settings.ts";
import { startConfigs } from "../../bin/start-configs.ts";

test("broker configs show what the settings come to", () => {
  const configs = startConfigs(
    parseServeSettings({
      kafka: ["INSIDE=127.0.0.1:9092", "OUTSIDE=[::1]:9093"],
      advertise: ["OUTSIDE=kafka.example.com:443"],
      "broker-id": "7",
      "broker-config": ["num.partitions=6"],
    }),
  );
  expect(configs.get("listeners")).toBe("INSIDE://127.0.0.1:9092,OUTSIDE://[::1]:9093");
  expect(configs.get("advertised.listeners")).toBe("OUTSIDE://kafka.example.com:443");
  expect(configs.get("node.id")).toBe("7");
  expect(configs.get("num.partitions")).toBe("6");
});

test("a broker config that another setting decides is refused with that setting's name", () => {
  const settings = parseServeSettings({ "broker-config": ["listeners=PLAINTEXT://:9099"] });
  expect(() => startConfigs(settings)).toThrow(BrokerConfigError);
  expect(() => startConfigs(settings)).toThrow("set --kafka instead");
});
