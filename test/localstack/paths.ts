import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
/** Everything that is installed or written here. Git ignores it, and it may be deleted whenever nothing runs in it. */
export const HOME = join(ROOT, ".cache/localstack");
export const SOURCES = join(ROOT, "test/localstack");

export const PARTS = {
  localstack: join(HOME, "localstack"),
  "dynamodb-local": join(HOME, "dynamodb-local"),
  "runtime-client": join(HOME, "runtime-client"),
  ministack: join(HOME, "ministack"),
  versitygw: join(HOME, "versitygw"),
} as const;

export type PartName = keyof typeof PARTS;

/** Programs start with this and what they are given, not with whatever the caller's shell happens to hold. */
export function plainEnvironment(): Record<string, string> {
  const names = ["PATH", "HOME", "JAVA_HOME", "SystemRoot"];
  const kept = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), LANG: "C.UTF-8" };
}
