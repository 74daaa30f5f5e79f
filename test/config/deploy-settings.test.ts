import { expect, test } from "vitest";
import { parseDeploySettings } from "#lib/config/deploy-settings.ts";
import { SettingsError } from "#lib/config/serve-settings.ts";

test("without a word there is a stack for each profile, with keys, alarms and a table that cannot be deleted", () => {
  expect(parseDeploySettings({})).toEqual({
    profiles: ["single", "replicated", "express"],
    architecture: "arm64",
    functionUrlAuth: "none",
    auth: "keys",
    ipAllow: [],
    ipDeny: [],
    corsOrigins: [],
    httpApi: false,
    alarms: true,
    dashboard: false,
    deletionProtection: true,
    gatewayBrokers: 0,
    expressZones: ["use1-az4", "use1-az5", "use1-az6"],
  });
});

test("the command line's texts mean what the values of cdk.json mean", () => {
  const fromText = { profile: "single, express", httpApi: "true", alarms: "false", gatewayBrokers: "3" };
  const fromJson = { profile: ["single", "express"], httpApi: true, alarms: false, gatewayBrokers: 3 };
  expect(parseDeploySettings(fromText)).toEqual(parseDeploySettings(fromJson));
});

test.each([
  [{ profile: "triple" }, "profile"],
  [{ architecture: "mips" }, "architecture"],
  [{ httpApi: "yes" }, "httpApi"],
  [{ gatewayBrokers: "-1" }, "gatewayBrokers"],
  [{ expressZones: "us-east-1a" }, "expressZones"],
  [{ ipAllow: "10.0.0.0/33" }, "ipAllow"],
  [{ ipDeny: ["2001:db8::/129"] }, "ipDeny"],
  [{ corsOrigins: "https://example.com/page" }, "corsOrigins"],
])("%j is refused by the setting's name", (context, name) => {
  expect(() => parseDeploySettings(context)).toThrow(SettingsError);
  expect(() => parseDeploySettings(context)).toThrow(name);
});
