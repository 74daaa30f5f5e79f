import { Command, Option } from "commander";
import { KEY_OPERATIONS, type KeyRight } from "#lib/cluster/api-key-state.ts";
import { collect } from "./cli/client.ts";
import type { Keys, ShownKey } from "./cli/key-admin.ts";
import { addKeyPlaceOptions, type KeyPlaceOptions, withKeys } from "./cli/key-place.ts";
import { parseInteger } from "./cli/parse.ts";
import { formatTable, formatTime } from "./cli/table.ts";
import { UsageError } from "./cli/usage-error.ts";

/** `millrace keys`: API keys of the HTTPS door. */
export function keysCommand(): Command {
  return new Command("keys")
    .description("create, list and delete the API keys of the HTTPS door")
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(deleteCommand());
}

interface CreateOptions extends KeyPlaceOptions {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly group?: readonly string[];
  readonly admin?: boolean;
  readonly rate: string;
  readonly expires?: string;
  readonly json?: boolean;
}

function createCommand(): Command {
  return addKeyPlaceOptions(new Command("create"))
    .description("make a key and print it; nobody can ask for it again")
    .argument("[NAME]", "for people, such as the name of the program that will use it", "")
    .option("--read <PATTERN>", "may read topics: a name, a beginning and *, or * for all; repeatable", collect)
    .option("--write <PATTERN>", "may write to topics; repeatable", collect)
    .option("--group <PATTERN>", "may act as consumer groups; repeatable", collect)
    .option("--admin", "may do everything, also make further keys")
    .option("--rate <N>", "requests a second in each process that answers; 0: no limit", "0")
    .option("--expires <TIME>", "after a while such as 90d, 12h or 30m (default: never)")
    .addOption(new Option("--json", "one JSON object { id, key }"))
    .action(async (name: string, options: CreateOptions) => {
      const requestsPerSecond = parseInteger(options.rate, { name: "--rate", min: 0 });
      const rights = rightsOf(options);
      const lifeMs = options.expires === undefined ? undefined : parseLife(options.expires);
      await withKeys(options, async (keys: Keys, nowMs) => {
        const expiresAtMs = lifeMs === undefined ? undefined : nowMs + lifeMs;
        const key = await keys.create({ name, rights, requestsPerSecond, expiresAtMs });
        const [, id] = key.split("_");
        process.stdout.write(options.json === true ? `${JSON.stringify({ id, key })}\n` : `${key}\n`);
      });
    });
}

function rightsOf(options: CreateOptions): readonly KeyRight[] {
  if (options.admin === true) return [{ operation: "admin", pattern: "*" }];
  const rights = KEY_OPERATIONS.flatMap((operation) => {
    const patterns = operation === "admin" ? [] : (options[operation] ?? []);
    return patterns.map((pattern) => ({ operation, pattern }));
  });
  if (rights.length > 0) return rights;
  throw new UsageError("a key without rights opens nothing: name --read, --write, --group or --admin");
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseLife(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? 0);
  if (ms > 0) return ms;
  throw new UsageError(`--expires is a while such as 90d, 12h or 30m, not "${text}"`);
}

function listCommand(): Command {
  return addKeyPlaceOptions(new Command("list"))
    .description("list keys by their ids; the keys themselves are nowhere to be had")
    .option("--json", "one JSON array")
    .action(async (options: KeyPlaceOptions & { readonly json?: boolean }) => {
      await withKeys(options, async (keys) => {
        const found = await keys.list();
        process.stdout.write(options.json === true ? `${JSON.stringify(found)}\n` : formatKeys(found));
      });
    });
}

function formatKeys(keys: readonly ShownKey[]): string {
  const rows = keys.map((key) => [
    key.id,
    key.name,
    key.rights
      .map(({ operation, pattern }) => (operation === "admin" ? operation : `${operation}:${pattern}`))
      .join(" "),
    key.requestsPerSecond === 0 ? "-" : key.requestsPerSecond,
    formatTime(key.createdAtMs),
    key.expiresAtMs === undefined ? "-" : formatTime(key.expiresAtMs),
  ]);
  return formatTable(["id", "name", "rights", "rate", "created", "expires"], rows);
}

function deleteCommand(): Command {
  return addKeyPlaceOptions(new Command("delete"))
    .description("delete keys; what shows them is refused within seconds")
    .argument("<ID...>", "as listed; the text of the key itself is taken too")
    .action(async (ids: readonly string[], options: KeyPlaceOptions) => {
      await withKeys(options, async (keys) => {
        for (const text of ids) {
          const id = /^mr_([a-z2-7]{16})_/.exec(text)?.[1] ?? text;
          await keys.delete(id);
          process.stdout.write(`deleted ${id}\n`);
        }
      });
    });
}
