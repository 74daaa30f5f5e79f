import type { AwsSettings, ServeSettings } from "#lib/config/serve-settings.ts";
import { startBroker } from "#lib/gateway/start-broker.ts";
import { AWS_PRICES } from "#lib/housekeeping/cost/aws-prices.ts";
import { priceRequests } from "#lib/housekeeping/cost/price-requests.ts";
import { RequestLedger } from "#lib/runtime/ledger.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import { DYNAMODB_POLL_MS, UPLOADS_IN_FLIGHT_MAX } from "#lib/util/limits.ts";
import { openAwsPorts } from "./aws-ports.ts";
import { meteredPorts } from "./metered-ports.ts";
import { startConfigs } from "./start-configs.ts";
import { type ServedBroker, servedBroker, startSettings } from "./start-settings.ts";

/** A broker whose journals are in DynamoDB and whose stores are buckets of S3, or of services that speak as they do. */
export async function startAwsBroker(settings: ServeSettings, aws: AwsSettings, logger: Logger): Promise<ServedBroker> {
  // Checked before anything is made.
  const configs = startConfigs(settings);
  // Disposed of in reverse order, also when one of the later steps fails.
  await using opened = new AsyncDisposableStack();
  const ledger = new RequestLedger();
  opened.defer(() => {
    const { lines, usd } = priceRequests(ledger.snapshot());
    for (const line of lines) logger.info("requests", { ...line });
    logger.info("cost of requests", { usd, region: AWS_PRICES.region, pricesAsOf: AWS_PRICES.asOf });
  });
  // Broker k is at home at store k mod n (docs/ARCHITECTURE.md section 3).
  const nearestId = settings.brokerId % aws.stores.length;
  const ports = await openAwsPorts(aws, opened, { logger, ledger, nearestId });
  const broker = await startBroker(
    { ...ports, ...meteredPorts(ports), ledger },
    startSettings(settings, {
      configs,
      uploadsInFlightMax: UPLOADS_IN_FLIGHT_MAX,
      journalPollMs: DYNAMODB_POLL_MS,
      replacesDead: false,
    }),
  );
  opened.defer(() => broker.stop());
  // Nothing like a lock on a directory tells beforehand whether another process has this broker's id.
  const failure = await Promise.race([broker.joined, broker.failed]);
  if (failure !== undefined) throw failure;
  return servedBroker(broker, opened.move());
}
