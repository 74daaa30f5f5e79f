import { expect, test } from "vitest";
import { EmfTelemetry } from "#lib/adapters/aws/emf-telemetry.ts";
import { HTTP_REQUEST_SECONDS, HTTP_REQUESTS, PRODUCED_BYTES } from "#lib/runtime/metrics.ts";
import { ManualClock } from "../../support/manual-clock.ts";

function newTelemetry() {
  const lines: string[] = [];
  const clock = new ManualClock(1_000);
  const telemetry = new EmfTelemetry({ clock, functionName: "produce", write: (line) => lines.push(line) });
  return { telemetry, lines: () => lines.map((line) => JSON.parse(line)) };
}

test("counts of a call are one line each, whose directive names the metric", () => {
  const { telemetry, lines } = newTelemetry();
  telemetry.count(PRODUCED_BYTES, 10);
  telemetry.count(PRODUCED_BYTES, 5);
  telemetry.count(HTTP_REQUESTS, 1, { route: "/topics", method: "GET", status: "200" });
  telemetry.flush();
  const metrics = (Name: string, Unit: string) => ({
    Timestamp: 1_000,
    CloudWatchMetrics: [{ Namespace: "Millrace", Dimensions: [["function"]], Metrics: [{ Name, Unit }] }],
  });
  expect(lines()).toEqual([
    {
      _aws: metrics("millrace_produced_bytes_total", "Bytes"),
      function: "produce",
      millrace_produced_bytes_total: 15,
    },
    {
      _aws: metrics("millrace_http_requests_total", "Count"),
      function: "produce",
      route: "/topics",
      method: "GET",
      status: "200",
      millrace_http_requests_total: 1,
    },
  ]);
});

test("observations stay single, a hundred a line, and a flush leaves nothing", () => {
  const { telemetry, lines } = newTelemetry();
  const labels = { route: "/topics", method: "GET" };
  for (let at = 0; at < 150; at++) telemetry.observe(HTTP_REQUEST_SECONDS, at, labels);
  telemetry.flush();
  telemetry.flush();
  const values = lines().map((line) => line.millrace_http_request_duration_seconds);
  expect(values.map((each) => each.length)).toEqual([100, 50]);
  expect(values.flat()).toEqual(Array.from({ length: 150 }, (_, at) => at));
});
