import { CONFIG_VALUE_LENGTH_MAX } from "#lib/util/limits.ts";
import type { ConfigAlteration, ConfigOperation } from "./cluster-command.ts";

export type AlteredConfigs =
  | { readonly kind: "altered"; readonly configs: ReadonlyMap<string, string> }
  /** A list would grow beyond what a value may have. */
  | { readonly kind: "too-long"; readonly key: string };

/** What `configs` become by `alteration`, which is applied as a whole or not at all. */
export function alterConfigs(configs: ReadonlyMap<string, string>, alteration: ConfigAlteration): AlteredConfigs {
  const altered = new Map(alteration.replacesAll ? [] : configs);
  for (const operation of alteration.operations) {
    const value = valueAfter(altered.get(operation.key), operation);
    if (value === undefined) {
      altered.delete(operation.key);
    } else {
      if (value.length > CONFIG_VALUE_LENGTH_MAX) return { kind: "too-long", key: operation.key };
      altered.set(operation.key, value);
    }
  }
  return { kind: "altered", configs: altered };
}

function valueAfter(standing: string | undefined, operation: ConfigOperation): string | undefined {
  switch (operation.kind) {
    case "set":
      return operation.value;
    case "delete":
      return undefined;
    case "append":
      return [...new Set([...itemsOf(standing ?? operation.inherited), ...itemsOf(operation.value)])].join(",");
    case "subtract": {
      const taken = new Set(itemsOf(operation.value));
      return itemsOf(standing ?? operation.inherited)
        .filter((item) => !taken.has(item))
        .join(",");
    }
  }
}

function itemsOf(list: string): readonly string[] {
  return list
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
