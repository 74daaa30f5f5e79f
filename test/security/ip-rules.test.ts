import { describe, expect, test } from "vitest";
import { IpRangeError, ipRules } from "#lib/security/ip-rules.ts";

describe("IP rules", () => {
  test("without ranges everybody passes, also somebody without an address", () => {
    const rules = ipRules({ allow: [], deny: [] });
    expect([rules.permits("192.0.2.1"), rules.permits(undefined)]).toEqual([true, true]);
  });

  test("an allow list lets nobody else in", () => {
    const rules = ipRules({ allow: ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"], deny: [] });
    expect(["10.255.0.1", "2001:db8::1", "192.0.2.7"].map((each) => rules.permits(each))).toEqual([true, true, true]);
    expect(["11.0.0.1", "2001:db9::1", "192.0.2.8", "", "host", undefined].map((each) => rules.permits(each))).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  test("a deny list wins over the allow list", () => {
    const rules = ipRules({ allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] });
    expect([rules.permits("10.2.0.1"), rules.permits("10.1.0.1")]).toEqual([true, false]);
    expect(ipRules({ allow: [], deny: ["::1"] }).permits("::1")).toBe(false);
  });

  test("an IPv4 address written as IPv6 is the same address", () => {
    const rules = ipRules({ allow: ["127.0.0.0/8"], deny: ["127.0.0.9"] });
    expect([rules.permits("::ffff:127.0.0.1"), rules.permits("::FFFF:127.0.0.9")]).toEqual([true, false]);
  });

  test.each(["", "host", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "fd00::/129", "10.0.0.0/", "10.0.0/8"])(
    "%j is no range",
    (text) => {
      expect(() => ipRules({ allow: [text], deny: [] })).toThrow(IpRangeError);
    },
  );
});
