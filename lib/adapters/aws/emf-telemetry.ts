import type { Clock } from "#lib/runtime/clock.ts";
import type { CounterMetric, GaugeMetric, HistogramMetric, LabelValues, Telemetry } from "#lib/runtime/telemetry.ts";

// CloudWatch's embedded metric format: a log line in JSON whose `_aws` says which of its fields are metrics.
//
//   {"_aws":{"Timestamp":ms,"CloudWatchMetrics":[{"Namespace":"Millrace","Dimensions":[["function"]],
//     "Metrics":[{"Name":"millrace_http_requests_total","Unit":"Count"}]}]},
//    "function":"produce","route":"/topics/{topic}","millrace_http_requests_total":3}
//
// The one dimension is the function: every further one multiplies metrics, and each costs by the hour. Labels are fields
// of the line, for Logs Insights.

export interface EmfTelemetryOptions {
  readonly clock: Clock;
  /** The dimension `function`. */
  readonly functionName: string;
  /** Takes one line without its end; what it writes must reach CloudWatch's logs. */
  readonly write: (line: string) => void;
}

const NAMESPACE = "Millrace";
/** Values of one metric in one line: CloudWatch's own limit. */
const VALUES_MAX = 100;

interface Gathered {
  readonly metric: CounterMetric | HistogramMetric;
  readonly labels: LabelValues;
  /** One sum, or the single observations. */
  values: number[];
}

/** Gathers the figures of a call; `flush` writes them, one line a metric and set of labels. */
export class EmfTelemetry implements Telemetry {
  readonly #options: EmfTelemetryOptions;
  readonly #gathered = new Map<string, Gathered>();

  constructor(options: EmfTelemetryOptions) {
    this.#options = options;
  }

  count(metric: CounterMetric, value: number, labels: LabelValues = {}): void {
    const { values } = this.#of(metric, labels);
    values[0] = (values[0] ?? 0) + value;
  }

  observe(metric: HistogramMetric, value: number, labels: LabelValues = {}): void {
    const gathered = this.#of(metric, labels);
    if (gathered.values.length >= VALUES_MAX) this.#write(gathered);
    gathered.values.push(value);
  }

  /** A function lives for its calls: what stands open in it between them says nothing. */
  gauge(_metric: GaugeMetric, _read: () => number): void {}

  /** Writes what was gathered and forgets it. */
  flush(): void {
    for (const gathered of this.#gathered.values()) this.#write(gathered);
    this.#gathered.clear();
  }

  #of(metric: CounterMetric | HistogramMetric, labels: LabelValues): Gathered {
    const key = [metric.name, ...metric.labels.map((name) => labels[name] ?? "")].join("\n");
    const known = this.#gathered.get(key);
    if (known !== undefined) return known;
    const made: Gathered = { metric, labels, values: [] };
    this.#gathered.set(key, made);
    return made;
  }

  #write(gathered: Gathered): void {
    const { metric, labels, values } = gathered;
    if (values.length === 0) return;
    gathered.values = [];
    const { clock, functionName, write } = this.#options;
    const unit = metric.name.endsWith("_seconds") ? "Seconds" : metric.name.includes("_bytes") ? "Bytes" : "Count";
    const metrics = [{ Name: metric.name, Unit: unit }];
    const directive = { Namespace: NAMESPACE, Dimensions: [["function"]], Metrics: metrics };
    const head = { _aws: { Timestamp: clock.nowMs(), CloudWatchMetrics: [directive] }, function: functionName };
    write(JSON.stringify({ ...head, ...labels, [metric.name]: values.length === 1 ? values[0] : values }));
  }
}
