import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { PARTS, type PartName, SOURCES } from "../paths.ts";
import type { Shell } from "../shell.ts";
import type { ToolName } from "./tools.ts";

// What is installed, in which versions. Later releases of LocalStack need Docker or an account.

const LOCALSTACK = "localstack-core[runtime]==4.13.1";
const MINISTACK = "ministack==1.5.33";
const VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const RUNTIME_CLIENT = "aws-lambda-ric@4.0.2";
/** It takes a third of pip's time; where it cannot be had, pip does the same. */
const UV = "uv==0.13.8";

export interface Part {
  readonly what: string;
  readonly tools: readonly ToolName[];
  /** If one of them changes, the part is installed anew: versions, and files by their paths. */
  readonly versions: readonly string[];
  readonly files: readonly string[];
  /** A file that is there when it has worked. */
  readonly proof: string;
  /** Into a folder that is empty. */
  install(shell: Shell, directory: string): Promise<void>;
}

const CONSTRAINTS = join(SOURCES, "python/constraints.txt");
const MINISTACK_CONSTRAINTS = join(SOURCES, "python/ministack-constraints.txt");
const POM = join(SOURCES, "java/pom.xml");

export const INSTALLABLE: Readonly<Record<PartName, Part>> = {
  localstack: {
    what: "LocalStack 4.13.1 from PyPI, 390 MB",
    tools: ["python3"],
    versions: [LOCALSTACK, UV],
    files: [CONSTRAINTS],
    proof: "venv/lib",
    install: (shell, directory) => pythonPackage(shell, directory, [LOCALSTACK, CONSTRAINTS]),
  },
  "dynamodb-local": {
    what: "DynamoDB Local 3.3.1 from Maven, 50 MB",
    tools: ["java", "mvn"],
    versions: [],
    files: [POM],
    proof: "DynamoDBLocal-3.3.1.jar",
    async install(shell, directory) {
      const options = ["-B", "-ntp", "-Dstyle.color=never", "-f", POM];
      const copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${directory}`];
      await shell.run(["mvn", ...options, ...copy]);
    },
  },
  "runtime-client": {
    what: "Lambda's Node runtime client from npm, 1 MB",
    tools: ["npm"],
    versions: [RUNTIME_CLIENT],
    files: [],
    proof: "node_modules/aws-lambda-ric/index.mjs",
    async install(shell, directory) {
      // Its install script compiles C++; lambda/runtime-shim.cjs stands in for what that makes.
      const options = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", directory];
      await shell.run(["npm", "install", ...options, RUNTIME_CLIENT]);
    },
  },
  ministack: {
    what: "MiniStack 1.5.33 from PyPI, 90 MB",
    tools: ["python3"],
    versions: [MINISTACK, UV],
    files: [MINISTACK_CONSTRAINTS],
    proof: "venv/bin/ministack",
    install: (shell, directory) => pythonPackage(shell, directory, [MINISTACK, MINISTACK_CONSTRAINTS]),
  },
  versitygw: {
    what: "versitygw 1.8.0 by the Go module proxy, compiled here",
    tools: ["go"],
    versions: [VERSITYGW],
    files: [],
    proof: "versitygw",
    install: (shell, directory) => shell.run(["go", "install", "-v", VERSITYGW], { GOBIN: directory }),
  },
};

async function pythonPackage(
  shell: Shell,
  directory: string,
  [requirement, constraints]: readonly [string, string],
): Promise<void> {
  const venv = join(directory, "venv");
  mkdirSync(directory, { recursive: true });
  await shell.run(["python3", "-m", "venv", venv]);
  const pip = join(venv, "bin/pip");
  const quiet = { PIP_DISABLE_PIP_VERSION_CHECK: "1" };
  const hasUv = await shell.succeeds([pip, "install", UV], quiet);
  const python = join(venv, "bin/python");
  const packages = ["-c", constraints, requirement];
  const withUv = [join(venv, "bin/uv"), "pip", "install", "--python", python, ...packages];
  if (hasUv && (await shell.succeeds(withUv, quiet))) return;
  await shell.run([pip, "install", ...packages], quiet);
}

export const isProven = (name: PartName): boolean => existsSync(join(PARTS[name], INSTALLABLE[name].proof));
