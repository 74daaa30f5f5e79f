import { processMetricsText } from "#lib/adapters/node/process-metrics.ts";
import type { Journal } from "#lib/journal/journal.ts";
import { MeteredJournal } from "#lib/journal/metered-journal.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { MetricRegistry } from "#lib/runtime/metric-registry.ts";
import { prometheusText } from "#lib/runtime/prometheus-text.ts";
import { meterStores } from "#lib/storage/metered-store.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";

/** Ports of a gateway, with what counts for its `/metrics`. */
export function meteredPorts({
  journal,
  stores,
  clock,
}: {
  readonly journal: Journal;
  readonly stores: StoreSet;
  readonly clock: Clock;
}) {
  const telemetry = new MetricRegistry();
  return {
    clock,
    telemetry,
    stores: meterStores(stores, telemetry),
    journal: new MeteredJournal(journal, { clock, telemetry }),
    metricsText: async () => prometheusText(telemetry.samples()) + (await processMetricsText()),
  };
}
