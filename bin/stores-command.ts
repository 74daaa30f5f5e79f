import { Command } from "commander";
import { addBootstrapOption, type ClientOptions, openClient } from "./cli/client.ts";
import { describeStores } from "./cli/cluster-admin.ts";
import { parseInteger } from "./cli/parse.ts";
import { formatBytes, formatTable } from "./cli/table.ts";

interface ListOptions extends ClientOptions {
  readonly json?: boolean;
}

/** `millrace stores`: where the records lie. */
export function storesCommand(): Command {
  return new Command("stores")
    .description("show the stores of a cluster")
    .addCommand(listCommand())
    .addCommand(replaceCommand());
}

function replaceCommand(): Command {
  return new Command("replace")
    .description("make an empty store in the place of one that is lost for good; brokers bring to it what others have")
    .argument("<STORE>", "its id: 1 is the directory store-1")
    .requiredOption("--data-dir <DIR>", "the brokers' data directory; they may be running")
    .addHelpText(
      "after",
      "\nOnly where nothing lies any more, and nothing will come back: a disk that is merely not mounted is no loss." +
        "\nRecords whose only copy was there (replication-factor=1) stay lost.",
    )
    .action(async (store: string, { dataDir }: { readonly dataDir: string }) => {
      const storeId = parseInteger(store, { name: "STORE", min: 0 });
      const [{ openJournalFile }, { replaceEmbeddedStore }] = await Promise.all([
        import("./open-journal-file.ts"),
        import("./embedded-stores.ts"),
      ]);
      await using opened = new AsyncDisposableStack();
      const shared = await openJournalFile(dataDir, opened);
      const { signal } = new AbortController();
      await replaceEmbeddedStore(storeId, { ...shared, dataDir, owner: "replace", signal });
      process.stdout.write(`replaced store ${storeId}\n`);
    });
}

function listCommand(): Command {
  return addBootstrapOption(new Command("list"))
    .description("list stores with the partitions that they hold, and those that are not in sync there")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      "\nwhole: every partition is in sync there; behind: some are not yet; failing: it does not answer as it should.",
    )
    .action(async (options: ListOptions) => {
      await using client = openClient(options);
      const signal = new AbortController().signal;
      const { stores, problems } = await describeStores(client, { isOneDoor: options.url !== undefined, signal });
      for (const problem of problems) process.stderr.write(`${problem}\n`);
      if (options.json === true) {
        process.stdout.write(`${JSON.stringify(stores)}\n`);
        return;
      }
      const rows = stores.map((each) => [
        each.id ?? "-",
        each.state,
        each.partitions,
        each.underReplicatedPartitions,
        formatBytes(each.bytes),
        each.brokers.join(","),
        each.url,
      ]);
      const header = ["store", "state", "partitions", "under-replicated", "bytes", "brokers", "url"];
      process.stdout.write(formatTable(header, rows));
    });
}
