import { once } from "node:events";
import { createServer, type Server } from "node:net";

/** Below the ports that systems give to clients, so that no connection of somebody else takes one meanwhile. */
const FIRST = 20_000;
const SPAN = 10_000;

/** A server that only holds its port. */
export async function listenOn(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** The first of `count` ports in a row that nobody listens on. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = FIRST + Math.floor(Math.random() * (SPAN - count));
    const ports = Array.from({ length: count }, (_, at) => first + at);
    const opened = await Promise.allSettled(ports.map(listenOn));
    const servers = opened.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    if (servers.length === count) return first;
  }
}
