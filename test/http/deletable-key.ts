import type { HttpAuthenticator } from "#lib/http/access.ts";
import { HttpError } from "#lib/http/http-error.ts";

/** A key with every right, shown with all requests, that is deleted and made again while they run. */
export class DeletableKey {
  isDeleted = false;

  readonly auth: HttpAuthenticator = {
    authenticate: async () => ({
      name: "test",
      may: () => true,
      requireValid: async () => {
        if (this.isDeleted) throw new HttpError({ status: 401, errorCode: 40101, message: "Unauthorized." });
      },
    }),
  };
}
