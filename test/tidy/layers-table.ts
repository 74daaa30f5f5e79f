/** The folders of lib from the ground up. A folder imports only folders above it in this list. */
const ORDER = [
  "util",
  "runtime",
  "record",
  "protocol",
  "client",
  "journal",
  "storage",
  "log",
  "coordinator",
  "cluster",
  "security",
  "housekeeping",
  "broker",
  "http",
  "gateway",
] as const;

const allBefore = (folder: (typeof ORDER)[number]): readonly string[] => ORDER.slice(0, ORDER.indexOf(folder));

/** What a place may import from lib. `types` are folders from which it may take types only. */
export interface LayerRule {
  readonly imports: readonly string[];
  readonly types?: readonly string[];
}

/** Keys are `lib/<folder>`, `lib` for the files right in lib, or a top-level folder. What is not listed is a finding. */
export const LAYERS: Readonly<Record<string, LayerRule>> = {
  ...Object.fromEntries(ORDER.map((folder) => [`lib/${folder}`, { imports: allBefore(folder) }])),
  // An adapter knows the port that it fills, the port's errors and formats, and nothing of the rules above.
  "lib/adapters": { imports: ["util", "runtime", "record", "journal", "storage"], types: ORDER },
  "lib/config": { imports: ORDER },
  lib: { imports: [...ORDER, "adapters", "config"] },
  bin: { imports: [...ORDER, "adapters", "config"] },
  functions: { imports: [...ORDER, "adapters", "config"] },
  infra: { imports: ["config"] },
  test: { imports: [...ORDER, "adapters", "config", "."] },
  bench: { imports: [...ORDER, "adapters", "config", "."] },
};

/** Top-level folders that another top-level folder may reach by a relative path. */
export const RELATIVE: Readonly<Record<string, readonly string[]>> = {
  test: ["bin", "functions", "infra", "bench"],
  bench: ["test", "infra"],
};

// Which code may import a module from outside. `lib/*` stands for every folder of lib; `test` and `bench` may also
// import whatever else Node itself has.
const EVERYWHERE = ["lib/*", "lib", "bin", "functions", "infra", "test", "bench"];
const OUTSIDE_LIB = ["bin", "functions", "infra", "test", "bench"];
const OUTSIDE_WORLD = ["lib/adapters", ...OUTSIDE_LIB];
// lib/security takes only lists of addresses from node:net.
const NETWORK = ["lib/adapters", "lib/security", "lib/gateway", "lib/client", "bin", "test", "bench"];
const CODECS = ["lib/record", "test", "bench"];
const DRIVERS = ["lib/adapters", "test", "bench"];

const rules: readonly (readonly [modules: readonly string[], places: readonly string[]])[] = [
  [["node:buffer", "node:util", "node:assert", "node:string_decoder"], EVERYWHERE],
  [["node:events", "node:stream", "node:stream/promises", "node:async_hooks"], EVERYWHERE],
  [["node:crypto"], EVERYWHERE], // Its random functions have a rule of their own.
  [
    ["node:path", "node:url", "node:os", "node:process", "node:v8"],
    [...OUTSIDE_WORLD, "lib/config"],
  ],
  [["node:fs", "node:fs/promises", "node:child_process", "node:worker_threads", "node:readline"], OUTSIDE_WORLD],
  // lib/record loads its native packages when they are first needed.
  [["node:module"], [...OUTSIDE_WORLD, "lib/record"]],
  [["node:timers", "node:timers/promises", "node:perf_hooks", "node:readline/promises"], OUTSIDE_WORLD],
  [["node:net", "node:tls"], NETWORK],
  [
    ["node:http", "node:https", "node:dns"],
    ["lib/adapters", "lib/client", "lib/gateway", "test", "bench"],
  ],
  [["node:sqlite", "pino", "@aws-sdk/client-s3", "@aws-sdk/client-dynamodb", "@smithy/node-http-handler"], DRIVERS],
  [["node:zlib", "@node-rs/crc32", "snappy", "lz4-napi"], CODECS],
  [["zod"], ["lib/config", "lib/http", "functions", "infra", "test"]],
  [
    ["hono", "hono/cors"],
    ["lib/http", "functions", "test"],
  ],
  [["@hono/node-server"], ["lib/gateway", "test"]],
  [["prom-client"], ["lib/adapters", "test"]],
  [
    ["aws-cdk-lib", "constructs", "cdk-nag"],
    ["infra", "test"],
  ],
  [["esbuild"], ["infra", "test", "bench"]],
  [["aws-lambda"], ["functions", "test"]], // Types only.
  [["commander"], ["bin", "test"]],
  [["re2js"], ["lib/coordinator", "test"]],
  [
    [
      "vitest",
      "vitest/config",
      "vitest/node",
      "fast-check",
      "kafkajs",
      "@platformatic/kafka",
      "@aws-sdk/client-lambda",
    ],
    ["test", "bench", "."],
  ],
];

export const EXTERNALS: ReadonlyMap<string, readonly string[]> = new Map(
  rules.flatMap(([modules, places]) => modules.map((module) => [module, places] as const)),
);

/** Names of node:crypto that are sources of randomness; only adapters and tests may take them. */
export const RANDOM_NAMES = ["randomBytes", "randomUUID", "randomInt", "randomFill", "randomFillSync", "webcrypto"];
export const RANDOM_PLACES = ["lib/adapters", "test", "bench"];
