import type { PartName } from "./paths.ts";

/** What a part's tests talk to. */
export type Target = "nothing" | "localstack" | "ministack" | "versitygw" | "deployed";

/** Tests that run together, against one server. All are files `*.aws.test.ts`, in Vitest's project `localstack`. */
export interface TestPart {
  readonly name: string;
  readonly what: string;
  /** On two cores, what it installs and starts included. */
  readonly budgetMinutes: number;
  readonly target: Target;
  /** Paths of tests; a file belongs to the part if its path contains one of them. */
  readonly paths: readonly string[];
}

const LOCALSTACK: readonly PartName[] = ["localstack", "dynamodb-local", "runtime-client"];

export const INSTALLED_FOR: Readonly<Record<Target, readonly PartName[]>> = {
  nothing: ["runtime-client"],
  localstack: LOCALSTACK,
  ministack: ["ministack"],
  versitygw: ["versitygw"],
  deployed: LOCALSTACK,
};

export const TEST_PARTS: readonly TestPart[] = [
  {
    name: "runtime",
    what: "functions as processes under AWS's own runtime client: cold, warm, streaming, frozen up to past their time limits; without a bucket",
    budgetMinutes: 3,
    target: "nothing",
    paths: ["test/localstack/lambda/", "test/functions/"],
  },
  {
    name: "localstack",
    what: "the adapters' contract suites on LocalStack, with faults between; functions as processes on it",
    budgetMinutes: 4,
    target: "localstack",
    paths: ["test/adapters/aws/", "test/functions/"],
  },
  {
    name: "replicas",
    what: "three gateways on three buckets, one of which refuses, hangs or is slow; gateways that are replaced or killed",
    budgetMinutes: 4,
    target: "localstack",
    paths: ["test/localstack/replicas/"],
  },
  {
    name: "ministack",
    what: "the same on a second emulator",
    budgetMinutes: 3,
    target: "ministack",
    paths: ["test/adapters/aws/"],
  },
  {
    name: "versitygw",
    what: "those of the object store on a real S3 server",
    budgetMinutes: 2,
    target: "versitygw",
    paths: ["test/adapters/aws/"],
  },
  {
    name: "deployed",
    what: "cdk deploy of the real app, then v2 and v3 over its functions' URLs, its schedules, the gateway beside them",
    budgetMinutes: 5,
    target: "deployed",
    paths: ["test/localstack/deployed/"],
  },
];
