import { RemovalPolicy, Validations } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { type DoorName, type Functions, pascal } from "./functions.ts";

interface RouteSpec {
  readonly path: string;
  readonly methods: readonly apigateway.HttpMethod[];
  readonly door: DoorName;
}

const { ANY, GET, POST } = apigateway.HttpMethod;

/** Which function answers what; everything else is the admin function's. Each could answer everything. */
const ROUTES: readonly RouteSpec[] = [
  { path: "/topics/{proxy+}", methods: [POST], door: "produce" },
  { path: "/v1/topics/{proxy+}", methods: [POST], door: "produce" },
  { path: "/v3/clusters/{cluster}/topics/{topic}/records", methods: [POST], door: "produce" },
  { path: "/v1/topics/{proxy+}", methods: [GET], door: "fetch" },
  { path: "/consumers/{proxy+}", methods: [ANY], door: "consumers" },
];

/**
 * One URL before all functions, for those who want what an HTTP API adds: a domain name of their own, throttling, access
 * logs. It ends every request after 30 s and adds a dollar for each million of them.
 */
export class HttpApi extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, functions: Functions) {
    super(scope, id);
    const integrations = new Map<DoorName, HttpLambdaIntegration>();
    const to = (door: DoorName): HttpLambdaIntegration => {
      const known = integrations.get(door) ?? new HttpLambdaIntegration(pascal(door), functions.get(door));
      integrations.set(door, known);
      return known;
    };
    const api = new apigateway.HttpApi(this, "Api", {
      description: "Millrace over HTTPS",
      createDefaultStage: false,
      defaultIntegration: to("admin"),
    });
    for (const { path, methods, door } of ROUTES) {
      api.addRoutes({ path, methods: [...methods], integration: to(door) });
    }
    const accessLog = new logs.LogGroup(this, "AccessLogs", {
      retention: logs.RetentionDays.TWO_WEEKS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const stage = new apigateway.HttpStage(this, "Stage", {
      httpApi: api,
      stageName: "$default",
      autoDeploy: true,
      accessLogSettings: { destination: new apigateway.LogGroupLogDestination(accessLog) },
    });
    this.url = stage.url;
    Validations.of(api).acknowledge({
      id: "AwsSolutions-APIG4",
      reason:
        "The app behind every route asks for an API key itself, so that the same keys and address rules hold at function URLs and at the gateway.",
    });
  }
}
