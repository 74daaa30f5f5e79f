import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as actions from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as sns from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { FUNCTION_NAMES, type FunctionName } from "./bundle-functions.ts";
import { DOOR_NAMES, type Functions, pascal, SCHEDULE_NAMES, WORKER_NAMES } from "./functions.ts";
import type { JournalTable } from "./journal-table.ts";

export interface WatchProps {
  readonly functions: Functions;
  readonly journals: JournalTable;
  readonly alarms: boolean;
  readonly dashboard: boolean;
  /** Told of every alarm. */
  readonly alarmTopic?: sns.ITopic;
}

const PERIOD = Duration.minutes(5);
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;

/** Alarms on what users would notice, and a dashboard for who wants to look. */
export class Watch extends Construct {
  readonly #props: WatchProps;

  constructor(scope: Construct, id: string, props: WatchProps) {
    super(scope, id);
    this.#props = props;
    if (props.alarms) this.#addAlarms();
    if (props.dashboard) this.#addDashboard();
  }

  #addAlarms(): void {
    const { functions, journals } = this.#props;
    for (const name of FUNCTION_NAMES) {
      if (isWorker(name)) continue;
      this.#alarm(`${pascal(name)}Errors`, functions.get(name).metricErrors({ period: PERIOD }), {
        threshold: 1,
        evaluationPeriods: 2,
        alarmDescription: `The function ${name} fails or runs out of time; see its log.`,
      });
    }
    // One alarm for four functions that users miss after days only: ten alarms of an account are free.
    this.#alarm("WorkerErrors", sum(WORKER_NAMES.map((name) => functions.get(name).metricErrors({ period: PERIOD }))), {
      threshold: 1,
      evaluationPeriods: 6,
      datapointsToAlarm: 2,
      alarmDescription: `One of ${WORKER_NAMES.join(", ")} fails or runs out of time; see their logs.`,
    });
    this.#alarm(
      "DoorThrottles",
      sum(DOOR_NAMES.map((name) => functions.get(name).metricThrottles({ period: PERIOD }))),
      {
        threshold: 1,
        evaluationPeriods: 2,
        alarmDescription: "Calls are turned away: the account's concurrency of Lambda is used up.",
      },
    );
    this.#alarm("HousekeeperSilence", functions.get("housekeeper").metricInvocations({ period: PERIOD }), {
      threshold: 1,
      evaluationPeriods: 3,
      comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: BREACHING,
      alarmDescription: "The housekeeper is not called: journals grow, and cold starts take longer and longer.",
    });
    const operations = ["PutItem", "Query", "BatchWriteItem"];
    const throttles = operations.map((operation) =>
      journals.table.metric("ThrottledRequests", {
        dimensionsMap: { TableName: journals.table.tableName, Operation: operation },
        statistic: "Sum",
        period: PERIOD,
      }),
    );
    this.#alarm("JournalThrottles", sum(throttles), {
      threshold: 10,
      evaluationPeriods: 2,
      alarmDescription: "DynamoDB throttles the table of the journals: acks take longer. See its capacity and quotas.",
    });
  }

  #alarm(
    id: string,
    metric: cloudwatch.IMetric,
    options: Omit<cloudwatch.CreateAlarmOptions, "metric"> & { readonly alarmDescription: string },
  ): void {
    const { GREATER_THAN_OR_EQUAL_TO_THRESHOLD } = cloudwatch.ComparisonOperator;
    const alarm = new cloudwatch.Alarm(this, id, {
      metric,
      comparisonOperator: GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: NOT_BREACHING,
      ...options,
    });
    const { alarmTopic } = this.#props;
    if (alarmTopic !== undefined) alarm.addAlarmAction(new actions.SnsAction(alarmTopic));
  }

  #addDashboard(): void {
    const { functions, journals } = this.#props;
    const { table } = journals;
    const names = [...DOOR_NAMES, ...SCHEDULE_NAMES];
    const graph = (title: string, left: readonly cloudwatch.IMetric[]): cloudwatch.GraphWidget =>
      new cloudwatch.GraphWidget({ title, left: [...left], width: 12 });
    const duration = (name: (typeof DOOR_NAMES)[number], statistic: string): cloudwatch.IMetric =>
      functions.get(name).metricDuration({ statistic, label: `${name} ${statistic}` });
    const dashboard = new cloudwatch.Dashboard(this, "Dashboard");
    dashboard.addWidgets(
      graph(
        "Calls",
        names.map((name) => functions.get(name).metricInvocations({ label: name })),
      ),
      graph(
        "Errors",
        names.map((name) => functions.get(name).metricErrors({ label: name })),
      ),
    );
    dashboard.addWidgets(
      graph(
        "Time of a call",
        DOOR_NAMES.flatMap((name) => [duration(name, "p50"), duration(name, "p99")]),
      ),
      graph("Journals: units consumed", [
        table.metricConsumedWriteCapacityUnits({ label: "write" }),
        table.metricConsumedReadCapacityUnits({ label: "read" }),
      ]),
    );
  }
}

function isWorker(name: FunctionName): boolean {
  return WORKER_NAMES.some((each) => each === name);
}

function sum(metrics: readonly cloudwatch.IMetric[]): cloudwatch.MathExpression {
  const usingMetrics = Object.fromEntries(metrics.map((metric, index) => [`m${index}`, metric]));
  return new cloudwatch.MathExpression({
    expression: Object.keys(usingMetrics).join(" + "),
    label: "sum",
    usingMetrics,
    period: PERIOD,
  });
}
