// node tiny-client.mjs FILE.EXPORT
// The smallest program that speaks the Runtime API, so that the harness can be tested where AWS's own client is not
// installed. It awaits one handler and knows nothing else.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [file, name] = process.argv[2].split(".");
const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/`;
const post = (path, value) => fetch(base + path, { method: "POST", body: JSON.stringify(value) });
const described = (error) => ({ errorType: error.name, errorMessage: error.message });

const handlers = await import(pathToFileURL(join(process.env.LAMBDA_TASK_ROOT, `${file}.mjs`)).href);
if (handlers[name] === undefined) {
  await post("init/error", { errorType: "Runtime.HandlerNotFound", errorMessage: `${file}.${name} is not there` });
  process.exit(1);
}
for (;;) {
  const next = await fetch(`${base}invocation/next`);
  const id = next.headers.get("lambda-runtime-aws-request-id");
  const event = await next.json();
  try {
    await post(`invocation/${id}/response`, await handlers[name](event));
  } catch (error) {
    await post(`invocation/${id}/error`, described(error));
  }
}
