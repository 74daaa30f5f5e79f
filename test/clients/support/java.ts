import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Finished, lastLines, type RunOptions, run } from "./processes.ts";
import { CACHE, ROOT } from "./provision.ts";
import { SkippedError } from "./suite.ts";

/** As in java/pom.xml, which names the artifacts. */
export const KAFKA_VERSION = "4.3.1";
const JARS = join(CACHE, "java", KAFKA_VERSION);
const LOGGING = join(CACHE, "java", "log4j2.properties");
const MAVEN_TIMEOUT_MS = 10 * 60_000;

const LOGGING_PROPERTIES = `rootLogger.level = WARN
rootLogger.appenderRef.out.ref = OUT
appender.out.type = Console
appender.out.name = OUT
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d{HH:mm:ss.SSS}] %p %c{1}: %m%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
`;

let provisioned: Promise<void> | undefined;

/** Fetches the jars of java/pom.xml into the cache, once. */
export function provideJava(): Promise<void> {
  provisioned ??= fetchJars();
  return provisioned;
}

async function fetchJars(): Promise<void> {
  if ((await run("java", ["-version"])).code !== 0) throw new SkippedError("no java on this machine");
  mkdirSync(join(CACHE, "java"), { recursive: true });
  writeFileSync(LOGGING, LOGGING_PROPERTIES);
  if (existsSync(JARS) && readdirSync(JARS).length > 0) return;
  if ((await run("mvn", ["-version"])).code !== 0) throw new SkippedError("no mvn on this machine");
  // A fetch that is cut off leaves no half-filled directory behind: it becomes visible by its name, whole.
  const partial = `${JARS}.partial-${process.pid}`;
  const pom = join(ROOT, "test/clients/java/pom.xml");
  const goal = ["dependency:copy-dependencies", `-DoutputDirectory=${partial}`];
  const fetched = await run("mvn", ["-q", "-B", "-f", pom, ...goal], { timeoutMs: MAVEN_TIMEOUT_MS });
  if (fetched.code !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new SkippedError(`mvn cannot fetch Kafka's jars: ${lastLines(fetched.stdout + fetched.stderr)}`);
  }
  renameSync(partial, JARS);
}

/** For a JVM that is to start fast: most tools run for a second. */
export const FAST_START: readonly string[] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/** The arguments before the main class: those of the JVM, where to log and where the classes are. */
export async function javaArguments(jvm: readonly string[]): Promise<readonly string[]> {
  await provideJava();
  return [...jvm, `-Dlog4j2.configurationFile=${LOGGING}`, "-cp", join(JARS, "*")];
}

export async function runJava(main: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return await run("java", [...(await javaArguments([...FAST_START, "-Xmx256m"])), main, ...args], options);
}
