import { expect, test } from "vitest";
import { curlLines } from "./curl-lines.ts";

test("each line names the address of a host that need not resolve", () => {
  const httpUrl = "http://abc.lambda-url.us-east-1.localhost:4566/";
  const lines = curlLines({ httpUrl, address: "127.0.0.1" });
  expect(lines.map(({ what }) => what)).toEqual(["produce", "fetch"]);
  for (const { command } of lines) {
    expect(command).toContain(" --resolve abc.lambda-url.us-east-1.localhost:4566:127.0.0.1 ");
    expect(command).toContain(" 'http://abc.lambda-url.us-east-1.localhost:4566/");
    expect(command).not.toContain("Authorization");
  }
});

test("a URL without a port has its protocol's", () => {
  const [line] = curlLines({ httpUrl: "https://abc.example", address: "192.0.2.1", key: "mr_secret" });
  expect(line?.command).toContain(" --resolve abc.example:443:192.0.2.1 ");
  expect(line?.command).toContain(" -H 'Authorization: Bearer mr_secret' ");
});
