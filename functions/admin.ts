import { serveHttp } from "./serve-http.ts";

/** Serves the whole app; whatever is no produce and no read is sent here. */
export const handler = await serveHttp("admin", async () => {
  const { ROUTES } = await import("#lib/http/routes.ts");
  return ROUTES;
});
