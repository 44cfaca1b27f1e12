/** Every test begins with an empty browser that speaks the extension's own words. */

import { beforeEach } from "vitest";
import { fakeBrowser } from "wxt/testing";
import messages from "../public/_locales/en/messages.json";

interface Message {
  message: string;
  placeholders?: Record<string, { content: string }>;
}

function getMessage(name: string, parts: string[] = []): string {
  const { message, placeholders = {} } = (messages as Record<string, Message>)[name] ?? {
    message: "",
  };
  return message.replace(/\$(\w+)\$/g, (_, placeholder: string) => {
    const { content } = placeholders[placeholder.toLowerCase()]!;
    return parts[Number(content.slice(1)) - 1] ?? "";
  });
}

beforeEach(() => {
  fakeBrowser.reset();
  Object.assign(fakeBrowser.i18n, { getMessage });
});
