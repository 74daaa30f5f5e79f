/** A number that only grows, such as requests served. Names follow Prometheus: unit last, `_total` for counters. */
export interface CounterMetric {
  readonly kind: "counter";
  readonly name: string;
  readonly help: string;
  /** Each with few values: routes and statuses, never topics or clients. */
  readonly labels: readonly string[];
}

/** A distribution, such as latencies. */
export interface HistogramMetric {
  readonly kind: "histogram";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

/** A number that goes up and down and is read when somebody looks. */
export interface GaugeMetric {
  readonly kind: "gauge";
  readonly name: string;
  readonly help: string;
}

export type LabelValues = Readonly<Record<string, string>>;

/**
 * Where figures about the running process go. Cheap enough for once a request or batch, not for once a record; never
 * throws and never waits.
 */
export interface Telemetry {
  count(metric: CounterMetric, value: number, labels?: LabelValues): void;
  observe(metric: HistogramMetric, value: number, labels?: LabelValues): void;
  /** `read` is called whenever somebody looks; the last one given for a metric counts. */
  gauge(metric: GaugeMetric, read: () => number): void;
}

export const NO_TELEMETRY: Telemetry = { count() {}, observe() {}, gauge() {} };
