import { destination, pino } from "pino";
import type { LogFields, Logger } from "#lib/runtime/logger.ts";

/** A Logger that writes one JSON object a line to stderr; stdout belongs to what a command answers. */
export function createPinoLogger(options: { readonly level: string; readonly fields?: LogFields }): Logger {
  const log = pino(
    {
      level: options.level,
      base: options.fields ?? null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    // Written at once: the last lines before a crash are those one wants to read.
    destination({ dest: 2, sync: true }),
  );
  return {
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
  };
}
