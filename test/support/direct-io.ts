import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeFilePort } from "#lib/adapters/local/node-file-port.ts";

/** Whether the file system of temporary files can do without its cache: not every one can. */
export async function isDirectPossible(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "millrace-direct-io-"));
  try {
    const path = join(folder, "file");
    writeFileSync(path, "some bytes");
    const file = await new NodeFilePort().open(path, true);
    await file.close();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
