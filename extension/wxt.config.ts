import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "wxt";

/**
 * The public key of this extension. It fixes the extension's id in Chrome, and so its origin, which
 * the server accepts: chrome-extension://ogpobafbiekihfldlbjgmeedgmabengf
 */
const CHROME_KEY =
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1j1jH58/ASylOkuTgo4rpoQVESkiozjsiqLik86ApeQy1KLt8hVn" +
  "KLZKo5LwwpjFLacksO6oDRxxRmTEiKpXk8ckIO7pE0ARQRcY0wz3sCTWkJIUvzXB8tzZb9IR4Z9QCNucaMwYm67nYkA9TNRF" +
  "9yr/s5GPloPiN/xux/RyUaNrUNcz3IEn/SpOeun6Tq0Lj5Y8AOUaC/eus3c0+kjCVMQ145azqKnUmwH/mB+tVXbDGeJf51E/" +
  "LreMAOVsyI1omJHs+WK9OvKJqdxdy+GoQ/wLYHfrIIASy2YdNmASvuGrt24fiKcvoQk7P9gRMdDUhrr/3bAQLznrOzepGzaO" +
  "rQIDAQAB";

/** The extension has the version of the whole project. */
const VERSION = /^version = "(.+)"$/m.exec(readFileSync(resolve("../pyproject.toml"), "utf8"))?.[1];

export default defineConfig({
  imports: false,
  manifestVersion: 3,
  hooks: {
    // Browsers show a text, but download Markdown.
    "build:publicAssets": (_wxt, files) => {
      files.push({ absoluteSrc: resolve("PRIVACY.md"), relativeDest: "privacy.txt" });
    },
  },
  manifest: ({ browser }) => ({
    name: "__MSG_extension_name__",
    description: "__MSG_extension_description__",
    default_locale: "en",
    version: VERSION,
    // activeTab and scripting: "Check image" must work on a page that was open before the
    // installation and has no content script yet.
    permissions: ["activeTab", "contextMenus", "scripting", "storage"],
    host_permissions: ["http://127.0.0.1/*", "http://localhost/*"],
    // Requested for one site at a time: another server, or an image that only this browser can read.
    optional_host_permissions: ["http://*/*", "https://*/*"],
    // Chrome gives Alt+Shift+A, B, I and T other meanings. On a Mac, Alt types special characters.
    commands: {
      "check-image": {
        suggested_key: { default: "Alt+Shift+K", mac: "MacCtrl+Shift+K" },
        description: "__MSG_command_check_image__",
      },
      "check-page": {
        suggested_key: { default: "Alt+Shift+L", mac: "MacCtrl+Shift+L" },
        description: "__MSG_check_page__",
      },
    },
    icons: { 16: "icon/16.png", 32: "icon/32.png", 48: "icon/48.png", 128: "icon/128.png" },
    action: {
      default_title: "__MSG_action_title__",
      default_icon: { 16: "icon/16.png", 32: "icon/32.png" },
    },
    ...(browser === "chrome" && { key: CHROME_KEY, minimum_chrome_version: "120" }),
    ...(browser === "firefox" && {
      browser_specific_settings: {
        gecko: {
          id: "assay@assay.invalid",
          // 140 is the first version with data_collection_permissions.
          strict_min_version: "140.0",
          data_collection_permissions: { required: ["websiteContent", "browsingActivity"] },
        },
        gecko_android: { strict_min_version: "142.0" },
      },
    }),
  }),
});
