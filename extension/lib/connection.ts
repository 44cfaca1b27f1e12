/** The connection test of the options page, and its result in words. */

import { Api, ApiError } from "./api";
import { help, number, reason, text } from "./i18n";
import { isLocal } from "./settings";
import type { Thresholds } from "./verdict";

export async function testConnection(
  server: string,
  key: string,
): Promise<{ ok: boolean; words: string; thresholds?: Thresholds | undefined }> {
  try {
    const { version, thresholds, milliseconds } = await new Api(server, key).ready();
    const ms = number(milliseconds);
    const words = version
      ? text("options_test_ok_version", version, ms)
      : text("options_test_ok", ms);
    const warning = isPlain(server) ? ` ${text("options_server_plain")}` : "";
    return { ok: true, words: words + warning, thresholds };
  } catch (error) {
    const failure = error instanceof ApiError ? error : new ApiError("server_error");
    return { ok: false, words: text("options_test_failed", reason(failure), help(failure)) };
  }
}

/** Whether others on the network can read the connection. */
function isPlain(server: string): boolean {
  return server.startsWith("http:") && !isLocal(server);
}
