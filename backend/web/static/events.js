/** Server-sent events. `EventSource` cannot send an API key. */

import { call } from "./api.js";

const RECONNECT_AFTER = 2000;

/**
 * Yield the events at a path until `done`, and `lost` whenever the connection breaks off.
 * It is made again, and continues after the last event.
 */
export async function* events(path, signal) {
  let last = {};
  for (;;) {
    try {
      const response = await call(path, { signal, headers: last });
      for await (const event of read(response)) {
        if (event.id) last = { "Last-Event-ID": event.id };
        yield event;
        if (event.name === "done") return;
      }
    } catch (error) {
      if (signal.aborted || error.isPassing === false) throw error;
    }
    yield { name: "lost" };
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_AFTER));
    signal.throwIfAborted();
  }
}

/** Read a stream of events; blank lines are between them. */
async function* read(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map(field));
      if (fields.event) yield { name: fields.event, id: fields.id, data: JSON.parse(fields.data) };
    }
  }
}

function field(line) {
  const [name, ...value] = line.split(": ");
  return [name, value.join(": ")];
}
