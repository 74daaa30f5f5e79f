import { serveHttp } from "./serve-http.ts";

/** Serves the whole app; producers are sent here, so that they scale and are watched by themselves. */
export const handler = await serveHttp("produce");
