// The compiled form of everything that is imported after this line is kept in the system's folder for temporary files:
// the second start takes half the time.
import { enableCompileCache } from "node:module";

enableCompileCache();
await import("./program.ts");
