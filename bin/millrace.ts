import { Command, CommanderError } from "commander";
import { serveCommand } from "./serve-command.ts";

/** Exit status for what the user typed or set wrongly, as in most Unix tools. */
const USAGE_EXIT_STATUS = 2;

const program = new Command("millrace")
  .description("A Kafka-compatible log on object storage that costs nothing while idle")
  .version("0.1.0")
  .showHelpAfterError("(add --help for the options)")
  .exitOverride()
  .addCommand(serveCommand());

for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version are no errors; commander has printed the text of the others.
  process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT_STATUS;
}
