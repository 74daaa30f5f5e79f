import { Command } from "commander";
import { AWS_PRICES, GB, MONTH_MS } from "#lib/housekeeping/cost/aws-prices.ts";
import { priceRequests } from "#lib/housekeeping/cost/price-requests.ts";
import type { LedgerLine, RequestKind } from "#lib/runtime/ledger.ts";
import { checkDataDir } from "./check-data-dir.ts";
import { addUrlOptions } from "./cli/client.ts";
import { estimateDataDir } from "./cli/data-dir-cost.ts";
import { callHttp } from "./cli/http-api.ts";
import { formatBytes, formatDuration, formatTable } from "./cli/table.ts";
import { UsageError } from "./cli/usage-error.ts";

interface CostOptions {
  readonly url?: string;
  readonly key?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

const PRICES_TEXT = `prices of ${AWS_PRICES.region}, ${AWS_PRICES.asOf}, from ${AWS_PRICES.sources.join(", ")}`;

/** `millrace cost`: what requests have cost, or would. */
export function costCommand(): Command {
  return addUrlOptions(new Command("cost"), "of the HTTPS door; the key needs the right admin")
    .description("price the requests of a running process, or what a data directory would have cost on AWS")
    .option("--data-dir <DIR>", "an embedded broker's data directory; the broker may be running")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `\nUS dollars; ${PRICES_TEXT}.\nStorage, functions and traffic out of the region are not in it.`,
    )
    .action(async (options: CostOptions) => {
      if (options.dataDir !== undefined) return showDataDir(options.dataDir, options.json === true);
      if (options.url === undefined) throw new UsageError("name --url URL or --data-dir DIR");
      await showProcess({ url: options.url, key: options.key }, options.json === true);
    });
}

interface RequestsJson {
  readonly elapsed_ms: number;
  readonly lines: readonly {
    readonly kind: RequestKind;
    readonly target: string;
    readonly topic: string;
    readonly requests: number;
    readonly failures: number;
    readonly bytes_sent: number;
    readonly bytes_received: number;
    readonly units: number;
  }[];
}

async function showProcess(api: { readonly url: string; readonly key: string | undefined }, isJson: boolean) {
  const answer = await callHttp<RequestsJson>(api, { method: "GET", path: "/v1/requests" });
  const lines = answer.lines.map(
    ({ bytes_sent: bytesSent, bytes_received: bytesReceived, ...rest }): LedgerLine => ({
      ...rest,
      bytesSent,
      bytesReceived,
    }),
  );
  const priced = priceRequests(lines);
  const monthUsd = answer.elapsed_ms > 0 ? (priced.usd * MONTH_MS) / answer.elapsed_ms : 0;
  if (isJson) {
    process.stdout.write(
      `${JSON.stringify({ ...priced, monthUsd, elapsedMs: answer.elapsed_ms, asOf: AWS_PRICES.asOf })}\n`,
    );
    return;
  }
  const rows = priced.lines.map((line) => [
    line.kind,
    line.target,
    line.topic === "" ? "-" : line.topic,
    line.requests,
    formatBytes(line.bytesSent),
    formatBytes(line.bytesReceived),
    usd(line.usd),
  ]);
  process.stdout.write(formatTable(["request", "target", "topic", "requests", "sent", "received", "USD"], rows));
  const elapsed = formatDuration(answer.elapsed_ms / 1_000);
  process.stdout.write(
    `total ${usd(priced.usd)} USD in ${elapsed}; at this rate ${usd(monthUsd)} USD a month\n${PRICES_TEXT}\n`,
  );
}

async function showDataDir(dataDir: string, isJson: boolean): Promise<void> {
  checkDataDir(dataDir);
  const estimate = await estimateDataDir(dataDir);
  const { s3, dynamodb } = AWS_PRICES;
  const monthUsd = (estimate.objectBytes / GB) * s3.gbMonth + (estimate.recordBytes / GB) * dynamodb.gbMonth;
  if (isJson) {
    process.stdout.write(`${JSON.stringify({ ...estimate, monthUsd, asOf: AWS_PRICES.asOf })}\n`);
    return;
  }
  const rows = [
    ["objects put", estimate.objects, formatBytes(estimate.objectBytes), usd(estimate.putUsd)],
    ["journal records put", estimate.records, formatBytes(estimate.recordBytes), usd(estimate.recordUsd)],
  ];
  process.stdout.write(formatTable(["what lies there", "count", "bytes", "USD"], rows));
  process.stdout.write(
    `written with one store in S3 Standard: ${usd(estimate.putUsd + estimate.recordUsd)} USD; kept: ${usd(monthUsd)} USD a month\n`,
  );
  process.stdout.write(`What was trimmed or deleted, and what was read, is not known here.\n${PRICES_TEXT}\n`);
}

/** Four digits that say something. */
function usd(value: number): string {
  return value === 0 ? "0" : value < 0.01 ? value.toPrecision(2) : value.toFixed(2);
}
