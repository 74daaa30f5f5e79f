import type { CounterMetric, GaugeMetric, HistogramMetric } from "./telemetry.ts";

// Every metric of the product, so that names and labels are looked up in one place (docs/HTTP.md shows them).

/** From what a cache answers to what a slow object store takes. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

export const HTTP_REQUESTS: CounterMetric = {
  kind: "counter",
  name: "millrace_http_requests_total",
  help: "HTTP requests answered, by route, method and status.",
  labels: ["route", "method", "status"],
};

export const HTTP_REQUEST_SECONDS: HistogramMetric = {
  kind: "histogram",
  name: "millrace_http_request_duration_seconds",
  help: "Time from the headers of an HTTP request to the headers of its answer, by route and method.",
  labels: ["route", "method"],
  buckets: SECONDS,
};

export const HTTP_STREAMS: GaugeMetric = {
  kind: "gauge",
  name: "millrace_http_streams",
  help: "Open event streams.",
};

export const HTTP_CONNECTIONS: GaugeMetric = {
  kind: "gauge",
  name: "millrace_http_connections",
  help: "Open connections of HTTP clients.",
};

export const KAFKA_CONNECTIONS: GaugeMetric = {
  kind: "gauge",
  name: "millrace_kafka_connections",
  help: "Open connections of Kafka clients.",
};

export const PRODUCED_RECORDS: CounterMetric = {
  kind: "counter",
  name: "millrace_produced_records_total",
  help: "Records committed, duplicates left out, through all doors.",
  labels: [],
};

export const PRODUCED_BYTES: CounterMetric = {
  kind: "counter",
  name: "millrace_produced_bytes_total",
  help: "Bytes of record batches committed, duplicates left out, through all doors.",
  labels: [],
};

export const PRODUCE_REFUSALS: CounterMetric = {
  kind: "counter",
  name: "millrace_produce_refused_batches_total",
  help: "Record batches that were not committed, by Kafka's error.",
  labels: ["error"],
};

export const FETCHED_RECORDS: CounterMetric = {
  kind: "counter",
  name: "millrace_fetched_records_total",
  help: "Records handed out over HTTP; to Kafka clients batches go unread.",
  labels: [],
};

export const FETCHED_BYTES: CounterMetric = {
  kind: "counter",
  name: "millrace_fetched_bytes_total",
  help: "Bytes of record batches handed out, through all doors.",
  labels: [],
};

export const JOURNAL_APPENDS: CounterMetric = {
  kind: "counter",
  name: "millrace_journal_appends_total",
  help: "Appends to journals, by kind of journal and result: appended, conflict, trimmed, failed.",
  labels: ["journal", "result"],
};

export const JOURNAL_APPEND_SECONDS: HistogramMetric = {
  kind: "histogram",
  name: "millrace_journal_append_duration_seconds",
  help: "Time that an append to a journal took, by kind of journal.",
  labels: ["journal"],
  buckets: SECONDS,
};

export const JOURNAL_READS: CounterMetric = {
  kind: "counter",
  name: "millrace_journal_reads_total",
  help: "Pages read from journals, by kind of journal.",
  labels: ["journal"],
};

export const OBJECT_READS: CounterMetric = {
  kind: "counter",
  name: "millrace_object_reads_total",
  help: "Reads from stores, by kind of object: wal, segments, journals.",
  labels: ["kind"],
};

export const OBJECT_READ_BYTES: CounterMetric = {
  kind: "counter",
  name: "millrace_object_read_bytes_total",
  help: "Bytes that these reads have brought, by kind of object.",
  labels: ["kind"],
};

export const UNDER_REPLICATED_PARTITIONS: GaugeMetric = {
  kind: "gauge",
  name: "millrace_under_replicated_partitions",
  help: "Partitions led by this process that have fewer in-sync replicas than replicas.",
};

export const OFFLINE_PARTITIONS: GaugeMetric = {
  kind: "gauge",
  name: "millrace_offline_partitions",
  help: "Partitions none of whose in-sync replicas this process can reach.",
};

export const OWED_COPIES: GaugeMetric = {
  kind: "gauge",
  name: "millrace_owed_copies",
  help: "Objects that stores should have and have not, of the partitions led by this process.",
};

export const OWED_COPY_BYTES: GaugeMetric = {
  kind: "gauge",
  name: "millrace_owed_copy_bytes",
  help: "Bytes of these objects.",
};

// Workers (docs/ARCHITECTURE.md section 6): their names are the values of the label `worker`.

export const WORKER_RUNS: CounterMetric = {
  kind: "counter",
  name: "millrace_worker_runs_total",
  help: "Runs of workers, by worker and result: changed, nothing, failed.",
  labels: ["worker", "result"],
};

export const WORKER_RUN_SECONDS: HistogramMetric = {
  kind: "histogram",
  name: "millrace_worker_run_duration_seconds",
  help: "Time that a worker's run took, by worker.",
  labels: ["worker"],
  buckets: SECONDS,
};

export const WORKER_CHANGES: CounterMetric = {
  kind: "counter",
  name: "millrace_worker_changes_total",
  help: "What workers have changed, by worker: commands that were taken, objects that were deleted.",
  labels: ["worker"],
};

/** When a worker's last run ended that did not fail. */
export function workerIdleSeconds(worker: string): GaugeMetric {
  return {
    kind: "gauge",
    name: `millrace_${worker}_idle_seconds`,
    help: `Time since a run of the ${worker} ended well, or since this process began.`,
  };
}

export const SEGMENTS_WRITTEN: CounterMetric = {
  kind: "counter",
  name: "millrace_segments_written_total",
  help: "Log segments that were taken into the log, by worker: compactor or cleaner.",
  labels: ["worker"],
};

export const SEGMENT_BYTES_WRITTEN: CounterMetric = {
  kind: "counter",
  name: "millrace_segment_bytes_written_total",
  help: "Bytes of these segments' logs, by worker.",
  labels: ["worker"],
};

export const CLEANED_BYTES: CounterMetric = {
  kind: "counter",
  name: "millrace_cleaned_bytes_total",
  help: "Bytes that the cleaner has left out of the segments it wrote.",
  labels: [],
};

export const EXPIRED_LOG_RECORDS: CounterMetric = {
  kind: "counter",
  name: "millrace_retention_removed_records_total",
  help: "Offsets that the retention of topics has removed from the beginnings of partitions.",
  labels: [],
};

export const DELETED_OBJECTS: CounterMetric = {
  kind: "counter",
  name: "millrace_deleted_objects_total",
  help: "Objects that garbage collection has deleted, copies counted each, by kind: wal, segments, journals.",
  labels: ["kind"],
};

export const DELETED_BYTES: CounterMetric = {
  kind: "counter",
  name: "millrace_deleted_bytes_total",
  help: "Bytes of these objects, by kind.",
  labels: ["kind"],
};

export const WRITE_AHEAD_ENTRIES: GaugeMetric = {
  kind: "gauge",
  name: "millrace_write_ahead_entries",
  help: "Entries that the compactor has not made segments of yet, of the partitions led by this process.",
};

export const LOG_SEGMENTS: GaugeMetric = {
  kind: "gauge",
  name: "millrace_log_segments",
  help: "Log segments of the partitions led by this process.",
};
