import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { HOME, PARTS, plainEnvironment } from "../paths.ts";
import { freePort, ServerProcess } from "./server-process.ts";

const READY_TIMEOUT_MS = 15_000;

export interface VersitygwOptions {
  readonly port?: number;
  /** Where the buckets are directories; one of the cache, emptied first, if absent. */
  readonly directory?: string;
  /** Keeps connections, as S3 does; by itself it closes each one after an answer. */
  readonly keepAlive?: boolean;
}

/** A real S3 server, compiled, that checks signatures and keeps objects as files. */
export class Versitygw implements AsyncDisposable {
  static readonly accessKeyId = "versity";
  static readonly secretAccessKey = "versity-secret";
  readonly #server: ServerProcess;
  readonly url: string;

  private constructor(server: ServerProcess, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Needs `install(["versitygw"])`. */
  static async start(options: VersitygwOptions = {}): Promise<Versitygw> {
    const port = options.port ?? (await freePort());
    const own = join(HOME, `versitygw-${port}`);
    const directory = options.directory ?? join(own, "data");
    if (options.directory === undefined) rmSync(own, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    mkdirSync(own, { recursive: true });
    const flags = ["--port", `127.0.0.1:${port}`, "--quiet", ...(options.keepAlive === true ? ["--keep-alive"] : [])];
    const server = ServerProcess.start({
      name: "versitygw",
      command: [join(PARTS.versitygw, "versitygw"), ...flags, "posix", directory],
      environment: {
        ...plainEnvironment(),
        ROOT_ACCESS_KEY: Versitygw.accessKeyId,
        ROOT_SECRET_KEY: Versitygw.secretAccessKey,
      },
      cwd: own,
      logFile: join(own, "versitygw.log"),
    });
    const versitygw = new Versitygw(server, port);
    // Without a signature it answers 403: that is an answer.
    await server.untilReady(async () => (await fetch(versitygw.url)).status > 0, READY_TIMEOUT_MS);
    return versitygw;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}
