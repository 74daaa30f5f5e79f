import { expect, test } from "vitest";
import { readOutputs } from "./deploy.ts";

const OUTPUTS = {
  HttpUrl: "http://x.localhost:4566/",
  JournalTable: "t",
  Stores: "s3://a,s3://b",
  ProduceUrl: "http://y/",
};

test("the outputs of the stack say where everything is", () => {
  expect(readOutputs(JSON.stringify({ "millrace-replicated": OUTPUTS }))).toEqual({
    httpUrl: "http://x.localhost:4566/",
    table: "t",
    stores: ["s3://a", "s3://b"],
  });
});

test("a stack that does not say where clients go is an error, as is none", () => {
  expect(() => readOutputs(JSON.stringify({ A: { ...OUTPUTS, HttpUrl: undefined } }))).toThrow("HttpUrl");
  expect(() => readOutputs("{}")).toThrow("no stack");
});
