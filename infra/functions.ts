import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { DeploySettings } from "#lib/config/deploy-settings.ts";
import { functionEnvironment } from "#lib/config/function-settings.ts";
import type { FunctionName } from "./bundle-functions.ts";
import type { JournalTable } from "./journal-table.ts";
import type { Architecture } from "./native-packages.ts";
import type { Stores } from "./stores.ts";

export interface FunctionsProps {
  readonly code: lambda.Code;
  readonly architecture: Architecture;
  readonly stores: Stores;
  readonly journals: JournalTable;
  /** Who may call, as `DeploySettings` says it. */
  readonly access: Pick<DeploySettings, "auth" | "functionUrlAuth" | "ipAllow" | "ipDeny" | "corsOrigins">;
}

interface FunctionSpec {
  readonly kind: "door" | "schedule";
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** Of a schedule: between two calls. */
  readonly everyMinutes?: number;
  readonly description: string;
}

// Half a GB is a third of a processor once a function has started: an ack waits for DynamoDB, not for that. The
// housekeeper decodes and encodes whole states. The compactor has a segment of 128 MiB in memory, the cleaner one that it
// reads, one that it writes and a map of keys. A process that is called each five minutes is kept, and knows when its work
// is due; its time ends before the next call, so that no second one does the same work beside it.
const SPECS: Readonly<Record<FunctionName, FunctionSpec>> = {
  produce: { kind: "door", memoryMb: 512, timeoutSeconds: 60, description: "Millrace over HTTPS: producers" },
  fetch: { kind: "door", memoryMb: 512, timeoutSeconds: 60, description: "Millrace over HTTPS: readers of records" },
  consumers: { kind: "door", memoryMb: 512, timeoutSeconds: 60, description: "Millrace over HTTPS: consumer groups" },
  admin: { kind: "door", memoryMb: 512, timeoutSeconds: 60, description: "Millrace over HTTPS: everything else" },
  housekeeper: {
    kind: "schedule",
    memoryMb: 1024,
    timeoutSeconds: 300,
    description: "Millrace: snapshots and trims of the journals, copies that buckets lack",
  },
  expirer: {
    kind: "schedule",
    memoryMb: 512,
    timeoutSeconds: 120,
    description: "Millrace: silent members, old offsets",
  },
  compactor: {
    kind: "schedule",
    memoryMb: 1024,
    timeoutSeconds: 280,
    everyMinutes: 5,
    description: "Millrace: log segments of what producers have written",
  },
  cleaner: {
    kind: "schedule",
    memoryMb: 1536,
    timeoutSeconds: 280,
    everyMinutes: 5,
    description: "Millrace: the last record of each key in compacted topics",
  },
  retention: {
    kind: "schedule",
    memoryMb: 512,
    timeoutSeconds: 120,
    everyMinutes: 5,
    description: "Millrace: records past the retention of their topics",
  },
  garbage: {
    kind: "schedule",
    memoryMb: 1024,
    timeoutSeconds: 280,
    everyMinutes: 5,
    description: "Millrace: objects that nothing refers to any more",
  },
};

export const DOOR_NAMES = ["produce", "fetch", "consumers", "admin"] as const satisfies readonly FunctionName[];
/** What works on records and their objects. */
export const WORKER_NAMES = ["compactor", "cleaner", "retention", "garbage"] as const satisfies readonly FunctionName[];
export const SCHEDULE_NAMES = ["housekeeper", "expirer", ...WORKER_NAMES] as const satisfies readonly FunctionName[];
export type DoorName = (typeof DOOR_NAMES)[number];

/** All functions, each with a role and a log of its own; doors have a URL, the others a schedule. */
export class Functions extends Construct {
  readonly #byName = new Map<FunctionName, lambda.Function>();
  readonly #urls = new Map<DoorName, lambda.FunctionUrl>();
  readonly #logs = new Map<FunctionName, logs.LogGroup>();

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    const { functionUrlAuth } = props.access;
    const authType = functionUrlAuth === "iam" ? lambda.FunctionUrlAuthType.AWS_IAM : lambda.FunctionUrlAuthType.NONE;
    for (const name of DOOR_NAMES) {
      const made = this.#newFunction(name, props);
      this.#urls.set(name, made.addFunctionUrl({ authType, invokeMode: lambda.InvokeMode.BUFFERED }));
    }
    for (const name of SCHEDULE_NAMES) {
      const made = this.#newFunction(name, props);
      new events.Rule(this, `${pascal(name)}Schedule`, {
        description: `${SPECS[name].description}; most calls find that nothing is due`,
        schedule: events.Schedule.rate(Duration.minutes(SPECS[name].everyMinutes ?? 1)),
        // A call that is late or lost is made up for by the next one.
        targets: [new targets.LambdaFunction(made, { retryAttempts: 0, maxEventAge: Duration.minutes(1) })],
      });
    }
  }

  get(name: FunctionName): lambda.Function {
    return found(this.#byName.get(name));
  }

  url(name: DoorName): string {
    return found(this.#urls.get(name)).url;
  }

  logGroup(name: FunctionName): logs.LogGroup {
    return found(this.#logs.get(name));
  }

  #newFunction(name: FunctionName, props: FunctionsProps): lambda.Function {
    const { code, stores, journals, access } = props;
    const { kind, memoryMb, timeoutSeconds, description } = SPECS[name];
    const logGroup = new logs.LogGroup(this, `${pascal(name)}Logs`, {
      retention: logs.RetentionDays.TWO_WEEKS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, `${pascal(name)}Role`, {
      assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
      description: `${description}: what it may do`,
    });
    logGroup.grantWrite(role);
    stores.grantUse(role);
    journals.grantAppend(role);
    if (name === "housekeeper") {
      journals.grantTrim(role);
      stores.grantDelete(role);
    }
    if (name === "garbage") stores.grantDelete(role);
    const made = new lambda.Function(this, pascal(name), {
      description,
      code,
      handler: `${name}.handler`,
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: props.architecture === "arm64" ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      role,
      logGroup,
      // Three lines of the service's own for each call would cost as much as the call.
      loggingFormat: lambda.LoggingFormat.JSON,
      systemLogLevelV2: lambda.SystemLogLevel.WARN,
      applicationLogLevelV2: lambda.ApplicationLogLevel.TRACE,
      memorySize: memoryMb,
      timeout: Duration.seconds(timeoutSeconds),
      ...(kind === "schedule" ? { retryAttempts: 0, maxEventAge: Duration.minutes(1) } : {}),
      environment: functionEnvironment({
        stores: stores.urls,
        table: journals.table.tableName,
        ...environmentOf(access),
      }),
    });
    this.#byName.set(name, made);
    this.#logs.set(name, logGroup);
    return made;
  }
}

/** Empty lists are left out: nobody has to wonder what they mean. */
function environmentOf({ auth, ipAllow, ipDeny, corsOrigins }: FunctionsProps["access"]) {
  return {
    auth,
    ...(ipAllow.length > 0 ? { ipAllow } : {}),
    ...(ipDeny.length > 0 ? { ipDeny } : {}),
    ...(corsOrigins.length > 0 ? { corsOrigins } : {}),
  };
}

/** Logical ids are written `ProduceRole`, not `produceRole`. */
export function pascal(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("every name has its function");
  return value;
}
