import { Command } from "commander";
import { formatHostPort } from "#lib/config/host-port.ts";
import { addBootstrapOption, type ClientOptions, openClient } from "./cli/client.ts";
import { describeBrokers } from "./cli/cluster-admin.ts";
import { formatTable } from "./cli/table.ts";

interface ListOptions extends ClientOptions {
  readonly json?: boolean;
}

/** `millrace brokers`: who serves the cluster. */
export function brokersCommand(): Command {
  return new Command("brokers").description("show the brokers of a cluster").addCommand(listCommand());
}

function listCommand(): Command {
  return addBootstrapOption(new Command("list"))
    .description("list brokers with their addresses, the stores that they are at home at, and what they lead")
    .option("--json", "one JSON array")
    .addHelpText("after", "\nA fenced broker has stopped, or gave no sign of life for broker.session.timeout.ms.")
    .action(async (options: ListOptions) => {
      await using client = openClient(options);
      const signal = new AbortController().signal;
      const brokers = await describeBrokers(client, { isOneDoor: options.url !== undefined, signal });
      if (options.json === true) {
        process.stdout.write(`${JSON.stringify(brokers)}\n`);
        return;
      }
      const rows = brokers.map((each) => [
        each.id,
        formatHostPort(each),
        each.store ?? "-",
        each.rack ?? "-",
        each.state,
        each.leadsPartitions,
      ]);
      process.stdout.write(formatTable(["broker", "address", "store", "rack", "state", "leads"], rows));
    });
}
