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
    journalCapacity: "on-demand",
    gatewayBrokers: 0,
    gatewayAddress: "load-balancer",
    gatewayZones: [],
    expressZones: ["use1-az4", "use1-az5", "use1-az6"],
  });
});

test("the command line's texts mean what the values of cdk.json mean", () => {
  const fromText = { profile: "single, express", httpApi: "true", alarms: "false", gatewayBrokers: "3" };
  const fromJson = { profile: ["single", "express"], httpApi: true, alarms: false, gatewayBrokers: 3 };
  expect(parseDeploySettings(fromText)).toEqual(parseDeploySettings(fromJson));
});

test("a capacity that is paid by the hour is a word, an object or its JSON, and what it leaves out has defaults", () => {
  const defaults = { minWrites: 25, maxWrites: 500, minReads: 25, maxReads: 500, targetPercent: 70 };
  const capacityOf = (given: unknown) => parseDeploySettings({ journalCapacity: given }).journalCapacity;
  expect(capacityOf("on-demand")).toBe("on-demand");
  expect(capacityOf("provisioned")).toEqual(defaults);
  expect(capacityOf({ minWrites: 20, targetPercent: 80 })).toEqual({ ...defaults, minWrites: 20, targetPercent: 80 });
  expect(capacityOf('{"minWrites":20,"targetPercent":80}')).toEqual(capacityOf({ minWrites: 20, targetPercent: 80 }));
});

test.each([
  [{ profile: "triple" }, "profile"],
  [{ architecture: "mips" }, "architecture"],
  [{ httpApi: "yes" }, "httpApi"],
  [{ gatewayBrokers: "-1" }, "gatewayBrokers"],
  [{ gatewayAddress: "carrier pigeon" }, "gatewayAddress"],
  [{ expressZones: "us-east-1a" }, "expressZones"],
  [{ gatewayZones: "us-east-1a" }, "gatewayZones"],
  [{ journalCapacity: "plenty" }, "journalCapacity"],
  [{ journalCapacity: "5" }, "journalCapacity"],
  [{ journalCapacity: { maxWrites: 24 } }, "minWrites must not be above maxWrites"],
  [{ journalCapacity: { minReads: 501 } }, "minReads must not be above maxReads"],
  [{ journalCapacity: { minWrites: 0 } }, "journalCapacity"],
  [{ journalCapacity: { targetPercent: 95 } }, "journalCapacity"],
  [{ journalCapacity: { writes: 5 } }, "journalCapacity"],
  [{ ipAllow: "10.0.0.0/33" }, "ipAllow"],
  [{ ipDeny: ["2001:db8::/129"] }, "ipDeny"],
  [{ corsOrigins: "https://example.com/page" }, "corsOrigins"],
])("%j is refused by the setting's name", (context, name) => {
  expect(() => parseDeploySettings(context)).toThrow(SettingsError);
  expect(() => parseDeploySettings(context)).toThrow(name);
});
