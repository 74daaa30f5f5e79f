import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { HOME, PARTS, plainEnvironment } from "../paths.ts";
import { freePort, ServerProcess } from "./server-process.ts";

const READY_TIMEOUT_MS = 30_000;

/**
 * A second emulator of S3 and DynamoDB, written by others than LocalStack: what both agree on is less likely to be one
 * author's mistake. Its queries read a whole partition, so long journals are slow.
 */
export class MiniStack implements AsyncDisposable {
  readonly #server: ServerProcess;
  readonly url: string;

  private constructor(server: ServerProcess, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Needs `install(["ministack"])`. */
  static async start(options: { readonly port?: number } = {}): Promise<MiniStack> {
    const port = options.port ?? (await freePort());
    const directory = join(HOME, `ministack-${port}`);
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(join(directory, "state"), { recursive: true });
    const server = ServerProcess.start({
      name: "MiniStack",
      command: [join(PARTS.ministack, "venv/bin/ministack")],
      environment: {
        ...plainEnvironment(),
        BIND_HOST: "127.0.0.1",
        GATEWAY_PORT: String(port),
        LAMBDA_EXECUTOR: "local",
        IOT_MTLS_ENABLED: "0",
        SFTP_ENABLED: "0",
        TMPDIR: directory,
        STATE_DIR: join(directory, "state"),
      },
      cwd: directory,
      logFile: join(directory, "ministack.log"),
    });
    const ministack = new MiniStack(server, port);
    await server.untilReady(async () => (await fetch(ministack.url)).status > 0, READY_TIMEOUT_MS);
    return ministack;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}
