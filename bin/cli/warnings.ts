import type { LogFields, Logger } from "#lib/runtime/logger.ts";

/** What a command's own broker warns of: a line on stderr each, and how many. */
export class Warnings implements Logger {
  count = 0;

  debug(): void {}
  info(): void {}

  warn(message: string, fields: LogFields = {}): void {
    this.count++;
    const told = Object.entries(fields).filter(([, value]) => value !== undefined);
    const details = told.map(([name, value]) => ` ${name}=${value}`).join("");
    process.stderr.write(`warning: ${`${message}${details}`.replaceAll(/\s*\n\s*/g, " ")}\n`);
  }

  error(message: string, fields?: LogFields): void {
    this.warn(message, fields);
  }
}
