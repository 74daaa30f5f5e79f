import http from "node:http";

export const REGION = "us-east-1";
export const ACCOUNT = "000000000000";

/** What AWS clients, CDK's among them, need to talk to an emulator. Without the first they would talk to AWS. */
export function awsVariables(endpoint: string) {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

/** This process's environment without anything that leads to a real account, or to another deployment. */
export function environmentWithoutAws(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(AWS|LOCALSTACK|MILLRACE)_/.test(name));
  return Object.fromEntries(kept);
}

export interface UrlRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface UrlResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * Calls a function by its URL. Hosts such as `<id>.lambda-url.us-east-1.localhost` resolve on few machines, so the
 * connection goes to the emulator itself and the host only into the header.
 */
export async function callUrl(endpoint: string, url: string, options: UrlRequest = {}): Promise<UrlResponse> {
  const { hostname, port } = new URL(endpoint);
  const target = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<UrlResponse>();
  const request = http.request({
    hostname,
    port,
    path: target.pathname + target.search,
    method: options.method ?? "GET",
    headers: { ...options.headers, host: target.host },
    agent: false,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  request.once("error", reject);
  request.once("response", (response) => {
    const chunks: Buffer[] = [];
    response.once("error", reject);
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("end", () => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
    });
  });
  request.end(options.body);
  return await promise;
}
