import { run } from "../../clients/support/processes.ts";

/** Programs that an installation needs and does not bring. */
export type ToolName = "python3" | "java" | "mvn" | "npm" | "go";

interface Tool {
  readonly args: readonly string[];
  readonly need: string;
  /** What is wrong with the one that is there, by what it printed. */
  readonly fault: (printed: string) => string | undefined;
}

const PYTHON_CHECK = `
import sys
print(*sys.version_info[:3], sep=".")
try:
    import venv, ensurepip
except ImportError as error:
    print("no pip:", error)
`;

const TOOLS: Readonly<Record<ToolName, Tool>> = {
  python3: {
    args: ["-c", PYTHON_CHECK],
    need: "Python 3.11 or later with venv and pip",
    fault: (printed) => {
      if (!isAtLeast(printed, [3, 11])) return `it is version ${printed.trim()}`;
      return printed.includes("no pip")
        ? "it has no pip; on Debian and Ubuntu: apt-get install python3-venv"
        : undefined;
    },
  },
  java: {
    args: ["-version"],
    need: "Java 17 or later",
    fault: (printed) => {
      const version = printed.match(/version "([^"]+)"/)?.[1] ?? "unknown";
      return isAtLeast(version, [17, 0]) ? undefined : `it is version ${version}`;
    },
  },
  mvn: { args: ["-v"], need: "Apache Maven", fault: () => undefined },
  npm: { args: ["--version"], need: "npm", fault: () => undefined },
  go: {
    args: ["version"],
    need: "Go 1.21 or later, which fetches newer ones by itself",
    fault: (printed) => {
      const version = printed.match(/go(\d[\d.]*)/)?.[1] ?? "unknown";
      return isAtLeast(version, [1, 21]) ? undefined : `it is version ${version}`;
    },
  },
};

/** One sentence for each tool that is missing or too old; nothing if all is well. */
export async function faultsOf(names: readonly ToolName[]): Promise<readonly string[]> {
  const faults = await Promise.all(names.map(faultOf));
  return faults.flatMap((fault) => fault ?? []);
}

async function faultOf(name: ToolName): Promise<string | undefined> {
  const tool = TOOLS[name];
  const { code, stdout, stderr } = await run(name, tool.args);
  if (code === 127) return `${name} is not on the PATH (${tool.need})`;
  if (code !== 0) return `${name} does not run: ${stderr.trim().split("\n").at(-1)} (${tool.need})`;
  const fault = tool.fault(stdout + stderr);
  return fault === undefined ? undefined : `${name}: ${fault} (${tool.need})`;
}

/** Compares the first two numbers of a version. */
export function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [foundMajor = 0, foundMinor = 0] = version
    .trim()
    .split(/[.+_-]/)
    .map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}
