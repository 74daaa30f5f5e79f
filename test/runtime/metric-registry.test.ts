import { expect, test } from "vitest";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { prometheusText } from "#lib/runtime/prometheus-text.ts";
import type { CounterMetric, GaugeMetric, HistogramMetric } from "#lib/runtime/telemetry.ts";

const REQUESTS: CounterMetric = { kind: "counter", name: "requests_total", help: "Requests.", labels: ["route"] };
const SECONDS: HistogramMetric = {
  kind: "histogram",
  name: "duration_seconds",
  help: "Durations.",
  labels: [],
  buckets: [0.1, 1],
};
const OPEN: GaugeMetric = { kind: "gauge", name: "open", help: "Open." };

test("counts add up for each set of labels", () => {
  const registry = new MetricRegistry();
  registry.count(REQUESTS, 1, { route: "/a" });
  registry.count(REQUESTS, 2, { route: "/b" });
  registry.count(REQUESTS, 3, { route: "/a" });
  expect(prometheusText(registry.samples())).toBe(
    '# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{route="/a"} 4\nrequests_total{route="/b"} 2\n',
  );
});

test("observations count in every bucket from their own on", () => {
  const registry = new MetricRegistry();
  for (const value of [0.1, 0.5, 0.25, 7]) registry.observe(SECONDS, value);
  const lines = prometheusText(registry.samples()).split("\n");
  expect(lines.slice(2)).toEqual([
    'duration_seconds_bucket{le="0.1"} 1',
    'duration_seconds_bucket{le="1"} 3',
    'duration_seconds_bucket{le="+Inf"} 4',
    "duration_seconds_sum 7.85",
    "duration_seconds_count 4",
    "",
  ]);
});

test("a gauge is read when somebody looks", () => {
  const registry = new MetricRegistry();
  let open = 1;
  registry.gauge(OPEN, () => open);
  open = 5;
  expect(prometheusText(registry.samples())).toContain("\nopen 5\n");
});

test("label values are escaped", () => {
  const registry = new MetricRegistry();
  registry.count(REQUESTS, 1, { route: 'a"b\\c\nd' });
  expect(prometheusText(registry.samples())).toContain('route="a\\"b\\\\c\\nd"');
});
