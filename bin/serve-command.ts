import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { environmentName, SERVE_OPTIONS, type ServeOption } from "#lib/config/serve-options.ts";
import {
  CONFIG_FILE_ENVIRONMENT,
  mergeSettings,
  parseServeSettings,
  type RawSettings,
  type ServeSettings,
  SettingsError,
  settingsFromEnvironment,
  settingsFromFile,
} from "#lib/config/serve-settings.ts";

/** `millrace serve`: flags before environment before config file before defaults. */
export function serveCommand(): Command {
  const command = new Command("serve").description(
    "run a broker with its data in a directory (embedded), or in S3 and DynamoDB; or several over one directory",
  );
  for (const option of SERVE_OPTIONS as readonly ServeOption[]) command.addOption(commanderOption(option));
  command.option("--config <FILE>", `JSON file whose keys are the names of these flags (${CONFIG_FILE_ENVIRONMENT})`);
  command.addHelpText(
    "after",
    "\nFlags win over the environment, the environment over the config file. A flag that repeats takes a list in" +
      "\nthe config file (broker-config an object too); in the environment commas divide its values.",
  );
  return command.action(async (flags: Record<string, string | string[] | undefined>) => {
    const { settings, given } = await readSettings(flags).catch((error: unknown) => {
      if (error instanceof SettingsError) return command.error(`error: ${error.message}`, { exitCode: 2 });
      throw error;
    });
    // The broker's code is loaded by whoever runs one: the other commands start in a third of the time.
    if (settings.brokerCount === undefined) return (await import("./serve.ts")).serve(settings);
    await (await import("./supervise.ts")).supervise(settings, given);
  });
}

function commanderOption(option: ServeOption): Option {
  const hints = [environmentName(option.name), ...(option.default === undefined ? [] : [`default: ${option.default}`])];
  const made = new Option(`--${option.name} <${option.value}>`, `${option.description} (${hints.join("; ")})`);
  if (option.repeatable) made.argParser((value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]);
  return made;
}

interface ReadSettings {
  readonly settings: ServeSettings;
  /** The same as they were given. */
  readonly given: RawSettings;
}

async function readSettings(flags: Readonly<Record<string, string | string[] | undefined>>): Promise<ReadSettings> {
  const fromFlags: Record<string, string | string[]> = {};
  for (const { name } of SERVE_OPTIONS) {
    const value = flags[camelCase(name)];
    if (value !== undefined) fromFlags[name] = value;
  }
  const file = flags["config"] ?? process.env[CONFIG_FILE_ENVIRONMENT];
  const fromFile = typeof file === "string" ? settingsFromFile(file, await readConfigFile(file)) : {};
  const given = mergeSettings(fromFlags as RawSettings, settingsFromEnvironment(process.env), fromFile);
  return { settings: parseServeSettings(given), given };
}

async function readConfigFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new SettingsError(`config file ${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
