import { Command } from "commander";
import { brokersCommand } from "./brokers-command.ts";
import { run } from "./cli/run.ts";
import { consumeCommand } from "./consume-command.ts";
import { costCommand } from "./cost-command.ts";
import { doctorCommand } from "./doctor-command.ts";
import { groupsCommand } from "./groups-command.ts";
import { journalsCommand } from "./journals-command.ts";
import { keysCommand } from "./keys-command.ts";
import { produceCommand } from "./produce-command.ts";
import { runCommand } from "./run-command.ts";
import { segmentsCommand } from "./segments-command.ts";
import { serveCommand } from "./serve-command.ts";
import { storesCommand } from "./stores-command.ts";
import { topicsCommand } from "./topics-command.ts";

const program = new Command("millrace")
  .description("A Kafka-compatible log on object storage that costs nothing while idle")
  .version("0.1.0")
  .addCommand(serveCommand())
  .addCommand(topicsCommand())
  .addCommand(produceCommand())
  .addCommand(consumeCommand())
  .addCommand(groupsCommand())
  .addCommand(brokersCommand())
  .addCommand(storesCommand())
  .addCommand(keysCommand())
  .addCommand(journalsCommand())
  .addCommand(segmentsCommand())
  .addCommand(runCommand())
  .addCommand(costCommand())
  .addCommand(doctorCommand());

process.exitCode = await run(program, process.argv.slice(2));
