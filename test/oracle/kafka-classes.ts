import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { VersionRange } from "#lib/protocol/versions.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { compileJava, KAFKA_VERSION, provideJava } from "../clients/support/java.ts";
import { lastLines, run } from "../clients/support/processes.ts";
import { CACHE, ROOT } from "../clients/support/provision.ts";
import { SkippedError } from "../clients/support/suite.ts";

/** Still has the versions that Kafka 4 gave up (KIP-896). */
export const OLD_KAFKA_VERSION = "3.9.2";

const SOURCES = join(ROOT, "test/oracle/java");
const TIMEOUT_MS = 5 * 60_000;

/** One message of one version, on the wire behind its header. */
export interface FrameKind {
  readonly apiKey: number;
  readonly isResponse: boolean;
  readonly version: number;
}

export interface RandomFrame {
  /** May have tagged fields that nobody knows, and 64-bit integers beyond 2^53 if they were asked for. */
  readonly frame: Uint8Array;
  /** The same message without the one and with the other brought within 2^53. */
  readonly plain: Uint8Array;
}

/** Kafka refused a question; its message says why. */
export class KafkaRefusal extends Error {
  override readonly name = "KafkaRefusal";
}

/** Kafka's generated message classes of one version in a JVM of their own; questions are answered in their order. */
export class KafkaClasses implements AsyncDisposable {
  readonly kafkaVersion: string;
  readonly #child: ChildProcess;
  readonly #waiting: { resolve(answer: ByteReader): void; reject(error: Error): void }[] = [];
  #received: Buffer = Buffer.alloc(0);
  #stderr = "";

  private constructor(kafkaVersion: string, classPath: string) {
    this.kafkaVersion = kafkaVersion;
    const options = ["-XX:+UseSerialGC", "-Xshare:auto", "-Xmx384m", "-cp", classPath, "Oracle"];
    this.#child = spawn("java", options, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4_000);
    });
    this.#child.stdin?.on("error", () => {}); // The end of the process is what tells.
    this.#child.once("error", (error) => this.#fail(error));
    this.#child.once("close", (code) => {
      this.#fail(new Error(`Kafka's classes ended with status ${code}: ${lastLines(this.#stderr)}`));
    });
  }

  static async start(kafkaVersion: string): Promise<KafkaClasses> {
    const jars = await provideJars(kafkaVersion);
    const classes = await compileJava(SOURCES, { name: `oracle/${kafkaVersion}`, classPath: jars.join(":") });
    return new KafkaClasses(kafkaVersion, [classes, ...jars].join(":"));
  }

  /** The versions that the classes of this API read and write, unstable ones too. */
  async versions(apiKey: number): Promise<VersionRange> {
    const answer = await this.#ask(question(0, { apiKey, isResponse: false, version: 0 }));
    return { min: answer.int16(), max: answer.int16() };
  }

  async randomFrame(kind: FrameKind, seed: number, beyondSafe: boolean): Promise<RandomFrame> {
    const answer = await this.#ask(
      question(1, kind)
        .int64(seed)
        .uint8(beyondSafe ? 1 : 0),
    );
    return { frame: answer.bytes(answer.uint32()), plain: answer.bytes(answer.uint32()) };
  }

  /** What the classes write after they have read `frame`. */
  async rewritten(kind: FrameKind, frame: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#ask(question(2, kind).bytes(frame));
    return answer.bytes(answer.remaining);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin?.end();
    await closed;
  }

  #ask(body: ByteWriter): Promise<ByteReader> {
    const size = Buffer.alloc(4);
    size.writeInt32BE(body.length);
    this.#child.stdin?.write(Buffer.concat([size, body.view()]));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #receive(chunk: Buffer): void {
    this.#received = this.#received.byteLength === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#received.byteLength >= 4) {
      const end = 4 + this.#received.readInt32BE();
      if (this.#received.byteLength < end) return;
      const answer = new ByteReader(this.#received.subarray(4, end));
      this.#received = this.#received.subarray(end);
      const asked = this.#waiting.shift();
      if (answer.uint8() === 0) asked?.resolve(answer);
      else asked?.reject(new KafkaRefusal(Buffer.from(answer.bytes(answer.remaining)).toString()));
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

function question(kind: number, frame: FrameKind): ByteWriter {
  const writer = new ByteWriter().uint8(kind).int16(frame.apiKey);
  return writer.uint8(frame.isResponse ? 1 : 0).int16(frame.version);
}

/** kafka-clients, and the logging interface that it cannot be loaded without. */
async function provideJars(kafkaVersion: string): Promise<readonly string[]> {
  await provideJava();
  const directory = join(CACHE, "java", KAFKA_VERSION);
  const slf4j = readdirSync(directory).filter((jar) => jar.startsWith("slf4j-api-"));
  const logging = slf4j.map((jar) => join(directory, jar));
  const name = `kafka-clients-${kafkaVersion}.jar`;
  if (kafkaVersion === KAFKA_VERSION) return [join(directory, name), ...logging];
  const target = join(CACHE, "java", "kafka-clients");
  if (!existsSync(join(target, name))) {
    const partial = `${target}.partial-${process.pid}`;
    const artifact = `-Dartifact=org.apache.kafka:kafka-clients:${kafkaVersion}`;
    const goal = ["dependency:copy", artifact, `-DoutputDirectory=${partial}`];
    const fetched = await run("mvn", ["-q", "-B", ...goal], { timeoutMs: TIMEOUT_MS });
    if (fetched.code !== 0) {
      rmSync(partial, { recursive: true, force: true });
      throw new SkippedError(`mvn cannot fetch ${name}: ${lastLines(fetched.stdout + fetched.stderr)}`);
    }
    mkdirSync(target, { recursive: true });
    renameSync(join(partial, name), join(target, name));
    rmSync(partial, { recursive: true, force: true });
  }
  return [join(target, name), ...logging];
}
