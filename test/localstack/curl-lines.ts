export interface CurlTarget {
  /** Where the functions are, by the stack's outputs. */
  readonly httpUrl: string;
  /** An address at which that host answers, whether or not its name resolves. */
  readonly address: string;
  /** An API key, if one is needed. */
  readonly key?: string;
}

export interface CurlLine {
  readonly what: string;
  readonly command: string;
}

const JSON_V2 = "application/vnd.kafka.json.v2+json";
const TOPIC = "hello";

/** Lines to paste into a shell as they stand. */
export function curlLines({ httpUrl, address, key }: CurlTarget): readonly CurlLine[] {
  const { protocol, hostname, port, origin } = new URL(httpUrl);
  const portNumber = port || (protocol === "https:" ? "443" : "80");
  const authorization = key === undefined ? "" : ` -H 'Authorization: Bearer ${key}'`;
  const curl = `curl -sS --resolve ${hostname}:${portNumber}:${address}${authorization}`;
  const records = JSON.stringify({ records: [{ key: "greeting", value: { text: "hello, world" } }] });
  return [
    {
      what: "produce",
      command: `${curl} -H 'Content-Type: ${JSON_V2}' -d '${records}' '${origin}/topics/${TOPIC}/partitions/0'`,
    },
    {
      what: "fetch",
      command: `${curl} -H 'Accept: application/json' '${origin}/v1/topics/${TOPIC}/partitions/0/records?offset=0'`,
    },
  ];
}
