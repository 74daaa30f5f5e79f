import type { Broker, CommandMaker } from "../../test/clients/support/broker.ts";
import { freePort } from "../../test/clients/support/broker.ts";
import { millraceCommand } from "../../test/clients/support/millrace-broker.ts";
import type { SegmentsContext } from "./context.ts";

/** Millrace with its defaults, or without workers, and with its figures. */
export interface OurBroker {
  readonly broker: Broker;
  readonly metrics: () => Promise<Metrics>;
}

export async function startOurs(workers: "all" | "none", { scratch }: SegmentsContext): Promise<OurBroker> {
  const http = `127.0.0.1:${await freePort()}`;
  const command: CommandMaker = (settings) => {
    const { args, ...rest } = millraceCommand(settings);
    return { ...rest, args: [...args, "--http", http, "--workers", workers] };
  };
  const broker = await scratch.start({ command });
  return { broker, metrics: async () => new Metrics(await textOf(`http://${http}/metrics`)) };
}

async function textOf(url: string): Promise<string> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  return await answer.text();
}

/** What a process has counted so far, in Prometheus' text format. */
export class Metrics {
  readonly #lines: readonly string[];

  constructor(text: string) {
    this.#lines = text.split("\n");
  }

  /** Over all series of that name, or those whose labels contain the text. */
  sum(name: string, label = ""): number {
    const values = this.#lines
      .filter((line) => line.startsWith(`${name} `) || (line.startsWith(`${name}{`) && line.includes(label)))
      .map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
    return values.reduce((sum, value) => sum + value, 0);
  }
}
