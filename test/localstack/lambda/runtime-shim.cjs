// node --require runtime-shim.cjs aws-lambda-ric/index.mjs HANDLER
//
// aws-lambda-ric is the client that Lambda's own Node runtimes run. A small part of it is C++ around libcurl, which would
// have to be compiled on every machine. This stands in for that part with the same three calls over the same HTTP API;
// everything else, from loading the handler to streaming, stays AWS's.
const http = require("node:http");
const Module = require("node:module");

const endpoint = new URL(`http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/`);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function send(method, path, { body, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request(new URL(path, endpoint), { method, agent, headers: { ...headers, ...length } });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks = [];
      response.on("error", reject);
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ bodyJson: Buffer.concat(chunks).toString(), headers: response.headers }));
    });
    request.end(body);
  });
}

// The caller does not wait for an answer to be delivered, but Lambda gives no further work before it is.
let delivered = Promise.resolve();

function deliver(path, body, headers) {
  const options = { body, headers: { "content-type": "application/json", ...headers } };
  delivered = delivered.then(() => send("POST", path, options));
}

const client = {
  initializeClient() {},
  async next() {
    await delivered;
    return await send("GET", "invocation/next");
  },
  done(id, body) {
    deliver(`invocation/${id}/response`, body, {});
  },
  error(id, body, xrayCause) {
    const cause = xrayCause ? { "lambda-runtime-function-xray-error-cause": xrayCause } : {};
    deliver(`invocation/${id}/error`, body, { "lambda-runtime-function-error-type": "Unhandled", ...cause });
  },
};

const load = Module._load;
Module._load = function loadOrReplace(request, ...rest) {
  return request.endsWith("rapid-client.node") ? client : load.call(this, request, ...rest);
};
