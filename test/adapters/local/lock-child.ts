import { ProcessLock } from "#lib/adapters/local/process-lock.ts";

// Takes the lock of broker argv[3] in directory argv[2], says so, and holds it until it is killed or told to give it up.
try {
  const lock = ProcessLock.acquire(process.argv[2] ?? "", Number(process.argv[3]));
  process.stdout.write("locked\n");
  process.stdin.once("data", () => {
    lock[Symbol.dispose]();
    process.stdout.write("released\n");
  });
} catch (error) {
  process.stdout.write(`${error instanceof Error ? `${error.name}: ${error.message}` : error}\n`);
}
