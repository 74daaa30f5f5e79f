import { App, Tags, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { DEPLOY_SETTING_NAMES, type DeployProfile, parseDeploySettings } from "#lib/config/deploy-settings.ts";
import { MillraceStack } from "./millrace-stack.ts";

export interface NewAppOptions {
  /** Where the cloud assembly goes; the CLI says so itself. */
  readonly outdir?: string;
  /** What the CLI says by `-c` comes before it. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** A bundle of the functions made before. */
  readonly functionsDirectory?: string;
}

/** The CDK's own switches, here and not in cdk.json, so that `npm run synth` and the CLI make the same templates. */
const CDK_SWITCHES: Readonly<Record<string, unknown>> = {
  "@aws-cdk/core:enablePartitionLiterals": true,
  "@aws-cdk/aws-iam:minimizePolicies": true,
  "@aws-cdk/aws-iam:standardizedServicePrincipals": true,
  "@aws-cdk/aws-ecs:removeDefaultDeploymentAlarm": true,
};

export function stackName(profile: DeployProfile): string {
  return `millrace-${profile}`;
}

/** The app with one stack for each profile, and the rules that they are held against. */
export function newApp(options: NewAppOptions = {}): App {
  const app = new App({
    ...(options.outdir === undefined ? {} : { outdir: options.outdir }),
    context: { ...CDK_SWITCHES, ...options.context },
  });
  const given = DEPLOY_SETTING_NAMES.map((name) => [name, app.node.tryGetContext(name)] as const);
  const settings = parseDeploySettings(Object.fromEntries(given.filter(([, value]) => value !== undefined)));
  const { profiles, gatewayBrokers, ...rest } = settings;
  for (const profile of profiles) {
    new MillraceStack(app, stackName(profile), {
      description: `Millrace, profile ${profile}`,
      millrace: {
        ...rest,
        profile,
        ...(gatewayBrokers > 0 ? { gateway: { brokers: gatewayBrokers } } : {}),
        ...(options.functionsDirectory === undefined ? {} : { functionsDirectory: options.functionsDirectory }),
      },
    });
  }
  Tags.of(app).add("application", "millrace");
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app;
}
