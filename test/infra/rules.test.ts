import { Stack } from "aws-cdk-lib";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { expect, test } from "vitest";
import { newTestApp } from "./synthesized.ts";

// That the app's own templates pass is a part of synthesizing them, which fails otherwise (template.test.ts).

test("what cdk-nag's AwsSolutions rules find fails the synthesis", () => {
  const app = newTestApp({ profile: "single" });
  new Bucket(new Stack(app, "careless"), "Bucket");
  expect(() => app.synth()).toThrow(/AwsSolutions-S10/);
});
