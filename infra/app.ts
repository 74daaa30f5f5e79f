// `npm run synth [-- -c NAME=VALUE]` writes ./cdk.out; `npx cdk deploy` runs this file too, and says by itself where the
// output goes and what `-c` was given.
import { parseArgs } from "node:util";
import { newApp } from "./new-app.ts";

const { values } = parseArgs({ options: { context: { type: "string", short: "c", multiple: true, default: [] } } });
const context = values.context.map((given): [string, string] => {
  const [name = "", ...value] = given.split("=");
  return [name, value.join("=")];
});
const isRunByCli = process.env["CDK_OUTDIR"] !== undefined;

newApp({ ...(isRunByCli ? {} : { outdir: "cdk.out" }), context: Object.fromEntries(context) }).synth();
