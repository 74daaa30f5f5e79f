let text: Promise<() => Promise<string>> | undefined;

/**
 * CPU, memory, event loop and garbage collection of this process under the names that Prometheus' clients share, as
 * Prometheus' text. The library is loaded, and begins to watch the event loop, when somebody asks for the first time.
 */
export async function processMetricsText(): Promise<string> {
  text ??= watchProcess();
  return (await text)();
}

async function watchProcess(): Promise<() => Promise<string>> {
  const { collectDefaultMetrics, Registry } = await import("prom-client");
  const registry = new Registry();
  // A tenth of the default's wake-ups: an idle process is to stay idle.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  return () => registry.metrics();
}
