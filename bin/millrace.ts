// The compiled form of everything that is imported after this line is kept in the system's folder for temporary files:
// the second start takes half the time.
import { enableCompileCache, getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

// Before anything reads a file. Each call to a disk that hangs keeps a thread, and with Node's four threads a few of them
// would stop the reads of all other disks too (lib/util/limits.ts, STORE_READS_AT_ONCE_MAX).
process.env["UV_THREADPOOL_SIZE"] ??= "64";

enableCompileCache();
// Threads, and the brokers that a supervisor starts, find it by the environment.
const directory = getCompileCacheDir();
if (directory !== undefined) process.env["NODE_COMPILE_CACHE"] ??= dirname(directory);
await import("./program.ts");
