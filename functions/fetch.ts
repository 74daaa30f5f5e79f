import { serveHttp } from "./serve-http.ts";

/** Serves the whole app; direct readers of records are sent here. */
export const handler = await serveHttp("fetch");
