import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Finished, lastLines, type RunOptions, run } from "./processes.ts";
import { CACHE, ROOT } from "./provision.ts";
import { SkippedError } from "./suite.ts";

/** As in java/pom.xml, which names the artifacts. */
export const KAFKA_VERSION = "4.3.1";
/** The last release before 4.0, whose tools still speak older versions. */
export const OLDER_KAFKA_VERSION = "3.9.2";
const jarsOf = (version: string): string => join(CACHE, "java", version);
const LOGGING = join(CACHE, "java", "log4j2.properties");
const MAVEN_TIMEOUT_MS = 10 * 60_000;
const COMPILE_TIMEOUT_MS = 5 * 60_000;

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

const provisioned = new Map<string, Promise<void>>();

/** Fetches the jars of java/pom.xml in that version of Kafka into the cache, once. */
export function provideJava(version: string = KAFKA_VERSION): Promise<void> {
  const fetched = provisioned.get(version) ?? fetchJars(version);
  provisioned.set(version, fetched);
  return fetched;
}

async function fetchJars(version: string): Promise<void> {
  const jars = jarsOf(version);
  if ((await run("java", ["-version"])).code !== 0) throw new SkippedError("no java on this machine");
  mkdirSync(join(CACHE, "java"), { recursive: true });
  writeFileSync(LOGGING, LOGGING_PROPERTIES);
  if (existsSync(jars) && readdirSync(jars).length > 0) return;
  if ((await run("mvn", ["-version"])).code !== 0) throw new SkippedError("no mvn on this machine");
  // A fetch that is cut off leaves no half-filled directory behind: it becomes visible by its name, whole.
  const partial = `${jars}.partial-${process.pid}`;
  const pom = join(ROOT, "test/clients/java/pom.xml");
  const goal = ["dependency:copy-dependencies", `-DoutputDirectory=${partial}`, `-Dkafka.version=${version}`];
  const fetched = await run("mvn", ["-q", "-B", "-f", pom, ...goal], { timeoutMs: MAVEN_TIMEOUT_MS });
  if (fetched.code !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new SkippedError(`mvn cannot fetch Kafka's jars: ${lastLines(fetched.stdout + fetched.stderr)}`);
  }
  renameSync(partial, jars);
}

/** All jars of that version, as a class path. */
export const classPathOf = (version: string = KAFKA_VERSION): string => join(jarsOf(version), "*");

/** Compiles a folder of Java sources into the cache, once for each state of them. Answers the directory of classes. */
export async function compileJava(
  sources: string,
  { name, classPath }: { readonly name: string; readonly classPath: string },
): Promise<string> {
  if ((await run("javac", ["-version"])).code !== 0) throw new SkippedError("no javac on this machine");
  const files = readdirSync(sources)
    .sort()
    .map((file) => join(sources, file));
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  const target = join(CACHE, `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(target)) return target;
  const partial = `${target}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const compiled = await run("javac", ["-d", partial, "-cp", classPath, ...files], { timeoutMs: COMPILE_TIMEOUT_MS });
  if (compiled.code !== 0) throw new Error(`javac failed: ${lastLines(compiled.stderr)}`);
  renameSync(partial, target);
  return target;
}

/** For a JVM that is to start fast: most tools run for a second. */
export const FAST_START: readonly string[] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/** The arguments before the main class: those of the JVM, where to log and where the classes are. */
export async function javaArguments(
  jvm: readonly string[],
  version: string = KAFKA_VERSION,
): Promise<readonly string[]> {
  await provideJava(version);
  return [...jvm, `-Dlog4j2.configurationFile=${LOGGING}`, "-cp", classPathOf(version)];
}

export interface JavaOptions extends RunOptions {
  /** Of Kafka; KAFKA_VERSION unless told. */
  readonly version?: string;
}

export async function runJava(main: string, args: readonly string[], options: JavaOptions = {}): Promise<Finished> {
  const before = await javaArguments([...FAST_START, "-Xmx256m"], options.version);
  return await run("java", [...before, main, ...args], options);
}
