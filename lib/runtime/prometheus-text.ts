import type { HistogramSample, MetricSamples } from "./metric-registry.ts";
import type { HistogramMetric, LabelValues } from "./telemetry.ts";

// Prometheus' text format 0.0.4:
//
//   # HELP name text
//   # TYPE name counter
//   name{label="value"} 12
//   name_bucket{label="value",le="0.5"} 3      histograms: one line a bound, `+Inf` last, then _sum and _count

export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function prometheusText(samples: readonly MetricSamples[]): string {
  return samples.map((each) => `${linesOf(each).join("\n")}\n`).join("");
}

function linesOf(each: MetricSamples): readonly string[] {
  const { metric } = each;
  const head = [`# HELP ${metric.name} ${metric.help}`, `# TYPE ${metric.name} ${metric.kind}`];
  if ("value" in each) return [...head, `${metric.name} ${number(each.value)}`];
  const lines = each.samples.flatMap((sample) => {
    if ("value" in sample) return [`${metric.name}${labelsOf(sample.labels)} ${number(sample.value)}`];
    return metric.kind === "histogram" ? histogramLines(metric, sample) : [];
  });
  return [...head, ...lines];
}

function histogramLines({ name, buckets }: HistogramMetric, { labels, counts, sum }: HistogramSample): string[] {
  const bounds = [...buckets.map(String), "+Inf"];
  return [
    ...bounds.map((le, at) => `${name}_bucket${labelsOf({ ...labels, le })} ${counts[at] ?? 0}`),
    `${name}_sum${labelsOf(labels)} ${number(sum)}`,
    `${name}_count${labelsOf(labels)} ${counts.at(-1) ?? 0}`,
  ];
}

function labelsOf(labels: LabelValues): string {
  const shown = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return shown.length === 0 ? "" : `{${shown.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function number(value: number): string {
  return Number.isFinite(value) ? String(value) : "NaN";
}
