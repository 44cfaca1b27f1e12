/** What a list is sent as. The server finds out the rest by reading it. */

const TYPES = {
  csv: "text/csv",
  jsonl: "application/jsonl",
  ndjson: "application/jsonl",
};

/** The body of the request that creates a scan, and its media type. */
export async function listBody(file, text) {
  const list = file ?? text;
  const ending = file?.name.toLowerCase().split(".").pop();
  if (TYPES[ending]) return { body: list, type: TYPES[ending] };
  const isScan = isScanDocument(file && ending === "json" ? await file.text() : text);
  return { body: list, type: isScan ? "application/json" : "text/plain" };
}

/** Whether this is a document such as `{"urls": […]}`, as the API's own clients send. */
function isScanDocument(text) {
  if (!text.trimStart().startsWith("{")) return false;
  try {
    const document = JSON.parse(text);
    return Array.isArray(document.urls ?? document.items);
  } catch {
    return false; // JSON Lines, or no JSON at all
  }
}
