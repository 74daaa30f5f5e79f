import { expect, test } from "vitest";
import { parseConsumerPerformance } from "../../bench/kafka/consumer-performance.ts";
import { endOffsetOf } from "../../bench/kafka/kcat.ts";
import { parseProducerPerformance } from "../../bench/kafka/producer-performance.ts";

const SUMMARY = `Warmup first 100000 records. Steady state results will print after the complete test summary.
126 records sent, 25.1 records/sec (0.02 MB/sec), 9.0 ms avg latency, 20.0 ms max latency.
300000 records sent, 75000.0 records/sec (75.96 MB/sec), 180.04 ms avg latency, 512.00 ms max latency, 116 ms 50th, 477 ms 95th, 505 ms 99th, 510 ms 99.9th.
200000 steady state records sent, 102145.045965 records/sec (99.75 MB/sec), 87.90 ms avg latency, 358.00 ms max latency, 11 ms 50th, 284 ms 95th, 347 ms 99th, 358 ms 99.9th.
`;

test("the load generator's figures are those of the records behind the warm-up, its seconds those of all", () => {
  expect(parseProducerPerformance(SUMMARY, 300_000)).toEqual({
    recordsPerSecond: 102_145.045965,
    p50Ms: 11,
    p99Ms: 347,
    totalSeconds: 4,
  });
});

test("a summary of fewer records than were sent is no result", () => {
  expect(parseProducerPerformance(SUMMARY, 300_001)).toBeUndefined();
});

test("output without a summary is no result", () => {
  expect(parseProducerPerformance("org.apache.kafka.common.errors.TimeoutException", 300_000)).toBeUndefined();
  expect(parseProducerPerformance(SUMMARY.split("\n").slice(0, 3).join("\n"), 300_000)).toBeUndefined();
});

test("kcat's last words tell how many records a partition has", () => {
  expect(endOffsetOf("% Reached end of topic bench-1 [3] at offset 1000: exiting\n")).toBe(1_000);
  expect(endOffsetOf("% ERROR: Local: Broker transport failure")).toBeNaN();
});

const CONSUMED = `start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
2026-01-02 03:04:05:678, 2026-01-02 03:04:10:678, 1953.1250, 390.6250, 2000000, 400000.0000, 600, 4400, 443.8920, 454545.4545
`;

test("the consumer benchmark's figures leave out the time until it had its partitions", () => {
  expect(parseConsumerPerformance(CONSUMED, 2_000_000)).toEqual({
    bytes: 2_048_000_000,
    totalSeconds: 5,
    fetchSeconds: 4.4,
  });
});

test("figures of fewer records than there are, or none, are no result", () => {
  expect(parseConsumerPerformance(CONSUMED, 2_000_001)).toBeUndefined();
  expect(parseConsumerPerformance(CONSUMED.split("\n").slice(0, 1).join("\n"), 1)).toBeUndefined();
});
