import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "aws-cdk-lib";
import type { Template } from "aws-cdk-lib/assertions";
import * as assertions from "aws-cdk-lib/assertions";
import type { DeployProfile } from "#lib/config/deploy-settings.ts";
import { newApp, stackName } from "../../infra/new-app.ts";

/** A template does not depend on what is in the bundle, so these tests make none. */
function emptyBundle(): string {
  const directory = join(mkdtempSync(join(tmpdir(), "millrace-infra-")), "functions");
  mkdirSync(directory);
  writeFileSync(join(directory, "produce.mjs"), "export {};\n");
  return directory;
}

const bundle = emptyBundle();

// The CDK's own checks of templates take two thirds of the time; `npm run synth` has them. cdk-nag's are not among them.
process.env["CDK_VALIDATION"] = "false";

export interface Synthesized {
  /** By profile. */
  readonly templates: ReadonlyMap<string, Template>;
  /** Where the cloud assembly lies. */
  readonly directory: string;
}

export function newTestApp(context: Readonly<Record<string, unknown>> = {}): App {
  const outdir = mkdtempSync(join(tmpdir(), "millrace-cdk-"));
  return newApp({ outdir, functionsDirectory: bundle, context });
}

/** Every stack of the app with these settings, as `npm run synth` writes it; fails if a rule finds something. */
export function synthesize(context: Readonly<Record<string, unknown>> = {}): Synthesized {
  const assembly = newTestApp(context).synth();
  const templates = new Map(
    assembly.stacks.map((stack) => [
      stack.stackName,
      assertions.Template.fromJSON(JSON.parse(readFileSync(stack.templateFullPath, "utf8"))),
    ]),
  );
  return { templates, directory: assembly.directory };
}

export function templateOf({ templates }: Synthesized, profile: DeployProfile): Template {
  const template = templates.get(stackName(profile));
  if (template === undefined) throw new Error(`${profile} has no stack`);
  return template;
}
