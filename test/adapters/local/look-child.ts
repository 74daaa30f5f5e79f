import { setImmediate as endOfTurn } from "node:timers/promises";
import { ProcessLock } from "#lib/adapters/local/process-lock.ts";

// Looks again and again whether the lock of broker argv[3] in directory argv[2] is free, until it is killed.
process.stdout.write("looking\n");
for (;;) {
  ProcessLock.isFree(process.argv[2] ?? "", Number(process.argv[3]));
  await endOfTurn();
}
