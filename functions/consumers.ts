import { serveHttp } from "./serve-http.ts";

/** Serves the whole app; consumer instances and groups are sent here. */
export const handler = await serveHttp("consumers");
