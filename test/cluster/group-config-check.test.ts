import { expect, test } from "vitest";
import { parseBrokerConfigs } from "#lib/cluster/broker-configs.ts";

test.each([
  [
    { "group.consumer.session.timeout.ms": "44999" },
    /^group\.consumer\.session\.timeout\.ms must be greater than or equal to group\.consumer\.min\.session\.timeout\.ms$/,
  ],
  [
    { "group.consumer.session.timeout.ms": "60001" },
    /^group\.consumer\.session\.timeout\.ms must be less than or equal to group\.consumer\.max/,
  ],
  [
    { "group.consumer.max.session.timeout.ms": "44999" },
    /^group\.consumer\.max\.session\.timeout\.ms must be greater than or equal to group\.consumer\.min/,
  ],
  [
    { "group.consumer.heartbeat.interval.ms": "4999" },
    /^group\.consumer\.heartbeat\.interval\.ms must be greater than or equal to group\.consumer\.min/,
  ],
  [
    { "group.consumer.heartbeat.interval.ms": "15001" },
    /^group\.consumer\.heartbeat\.interval\.ms must be less than or equal to group\.consumer\.max/,
  ],
  [
    { "group.consumer.max.heartbeat.interval.ms": "50000", "group.consumer.heartbeat.interval.ms": "45000" },
    /^group\.consumer\.heartbeat\.interval\.ms must be less than group\.consumer\.session\.timeout\.ms$/,
  ],
  [
    { "group.consumer.assignment.interval.ms": "15001" },
    /^group\.consumer\.assignment\.interval\.ms must be less than or equal to group\.consumer\.max/,
  ],
  [{ "group.coordinator.rebalance.protocols": "consumer" }, /^Disabling the 'classic' protocol is not supported\.$/],
  [{ "group.coordinator.rebalance.protocols": "classic,modern" }, /must be one of: classic, consumer/],
])("configs of groups that do not go together keep a broker from starting", (configs, text) => {
  expect(() => parseBrokerConfigs(Object.entries(configs))).toThrow(text);
});

test("configs of groups that go together are taken", () => {
  const configs = {
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    "group.consumer.heartbeat.interval.ms": "1000",
    "group.coordinator.rebalance.protocols": "classic",
  };
  expect(Object.fromEntries(parseBrokerConfigs(Object.entries(configs)))).toEqual(configs);
});
