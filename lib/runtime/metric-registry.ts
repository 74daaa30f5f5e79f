import type { CounterMetric, GaugeMetric, HistogramMetric, LabelValues, Telemetry } from "./telemetry.ts";

export interface CounterSample {
  readonly labels: LabelValues;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: LabelValues;
  /** Observations up to each bound, those of lower bounds included; the last one is their number. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export type MetricSamples =
  | { readonly metric: CounterMetric; readonly samples: readonly CounterSample[] }
  | { readonly metric: HistogramMetric; readonly samples: readonly HistogramSample[] }
  | { readonly metric: GaugeMetric; readonly value: number };

interface Series<M, T> {
  readonly metric: M;
  readonly byLabels: Map<string, T>;
}

interface Counted {
  readonly labels: LabelValues;
  value: number;
}

interface Observed {
  readonly labels: LabelValues;
  readonly counts: number[];
  sum: number;
}

const NO_LABELS: LabelValues = {};

/** The figures of one process, in memory. */
export class MetricRegistry implements Telemetry {
  readonly #counters = new Map<string, Series<CounterMetric, Counted>>();
  readonly #histograms = new Map<string, Series<HistogramMetric, Observed>>();
  readonly #gauges = new Map<string, { readonly metric: GaugeMetric; readonly read: () => number }>();

  count(metric: CounterMetric, value: number, labels: LabelValues = NO_LABELS): void {
    const series = seriesOf(this.#counters, metric);
    const key = keyOf(metric.labels, labels);
    const counted = series.byLabels.get(key);
    if (counted === undefined) series.byLabels.set(key, { labels, value });
    else counted.value += value;
  }

  observe(metric: HistogramMetric, value: number, labels: LabelValues = NO_LABELS): void {
    const series = seriesOf(this.#histograms, metric);
    const key = keyOf(metric.labels, labels);
    let observed = series.byLabels.get(key);
    if (observed === undefined) {
      observed = { labels, counts: new Array<number>(metric.buckets.length + 1).fill(0), sum: 0 };
      series.byLabels.set(key, observed);
    }
    const found = metric.buckets.findIndex((bound) => value <= bound);
    const at = found === -1 ? metric.buckets.length : found;
    observed.counts[at] = (observed.counts[at] ?? 0) + 1;
    observed.sum += value;
  }

  gauge(metric: GaugeMetric, read: () => number): void {
    this.#gauges.set(metric.name, { metric, read });
  }

  /** Everything as it stands now. */
  samples(): readonly MetricSamples[] {
    return [
      ...[...this.#counters.values()].map(({ metric, byLabels }) => ({ metric, samples: [...byLabels.values()] })),
      ...[...this.#histograms.values()].map(({ metric, byLabels }) => ({
        metric,
        samples: [...byLabels.values()].map(({ labels, counts, sum }) => ({ labels, counts: running(counts), sum })),
      })),
      ...[...this.#gauges.values()].map(({ metric, read }) => ({ metric, value: read() })),
    ];
  }
}

function seriesOf<M extends { readonly name: string }, T>(all: Map<string, Series<M, T>>, metric: M): Series<M, T> {
  const known = all.get(metric.name);
  if (known !== undefined) return known;
  const made = { metric, byLabels: new Map<string, T>() };
  all.set(metric.name, made);
  return made;
}

function keyOf(names: readonly string[], labels: LabelValues): string {
  return names.map((name) => labels[name] ?? "").join("\n");
}

function running(counts: readonly number[]): readonly number[] {
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return sum;
  });
}
