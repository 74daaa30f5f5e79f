import { type Command, CommanderError } from "commander";
import { ConnectionLostError } from "#lib/client/errors.ts";
import { KafkaError } from "#lib/client/kafka-error.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { LogError } from "#lib/util/errors.ts";
import { CommandFailure, UsageError } from "./usage-error.ts";

const FAILED = 1;
const USAGE = 2;

/** Runs the program and answers its exit status: 0 done, 1 failed or found something, 2 not understood. */
export async function run(program: Command, args: readonly string[]): Promise<number> {
  exitNowhere(program);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    // Help and version are no errors; commander has printed the text of the others.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (error instanceof UsageError) {
      process.stderr.write(`error: ${error.message}\n(add --help for the options)\n`);
      return USAGE;
    }
    const isExpected = error instanceof CommandFailure || error instanceof LogError || isSystemError(error);
    if (!isExpected) throw error;
    process.stderr.write(`error: ${error.message}${hintFor(error)}\n`);
    return FAILED;
  }
}

/** Commander would end the process itself; and each command has its own say in it. */
function exitNowhere(command: Command): void {
  command.exitOverride().showHelpAfterError("(add --help for the options)");
  for (const each of command.commands) exitNowhere(each);
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}

/** What to do next, where the text does not say it. */
function hintFor(error: Error): string {
  if (error instanceof ConnectionLostError) {
    return "\nIs the broker running? Start one with: npm start; or name another with --bootstrap-server HOST:PORT or --url URL";
  }
  if (!(error instanceof KafkaError)) return "";
  switch (error.code) {
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
      return "\nSee which there are with: millrace topics list, or topics describe NAME; make one with: millrace topics create NAME";
    case ErrorCode.TOPIC_ALREADY_EXISTS:
      return "\nUse it, or choose another name; --if-not-exists takes this for success";
    case ErrorCode.GROUP_ID_NOT_FOUND:
      return "\nSee which there are with: millrace groups list";
    case ErrorCode.MESSAGE_TOO_LARGE:
      return "\nLet the topic take more with: millrace topics alter NAME --config max.message.bytes=BYTES";
    case ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
    case ErrorCode.UNKNOWN_PRODUCER_ID:
    case ErrorCode.INVALID_PRODUCER_EPOCH:
      return "\nThe broker has lost track of this producer: see what has arrived with millrace consume, and produce the rest";
    default:
      return error.kind === "unavailable" ? "\nThis may pass: try again, or allow more time with --timeout-ms" : "";
  }
}
