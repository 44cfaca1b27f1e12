// Every way in which a page can have a browser send a request to the API at `api`. Returns what
// could be read, by the way that read it. `bait` is an image to be checked, `id` a check's id.
async ({ api, bait, id }) => {
  const read = {};
  const body = JSON.stringify({ urls: [bait], wait: 0 });
  const json = { "Content-Type": "application/json" };
  const known = `/v1/checks/${id}`;
  const at = (way, path) => `${api}${path}#${way}`; // the server never sees the fragment

  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 128;
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const image = new File([blob], "image.png", { type: "image/png" });
  const upload = new FormData();
  upload.set("image", image);

  const byFetch = async (way, path, request) => {
    try {
      const text = await (await fetch(at(way, path), request)).text();
      if (text) read[way] = text;
    } catch {
      // The browser keeps the answer from the page.
    }
  };

  // Loads what the element names, until the browser says that it is there or is not.
  const byElement = (way, tag, attribute) =>
    new Promise((resolve) => {
      const element = document.createElement(tag);
      if (tag === "link") element.rel = "stylesheet";
      element.addEventListener("error", resolve);
      element.addEventListener("load", () => {
        const text = tag === "iframe" && element.contentDocument?.body?.textContent;
        if (tag !== "iframe" || text) read[way] = text || "loaded";
        resolve();
      });
      element[attribute] = at(way, known);
      document.body.append(element);
    });

  // Sends a form into a frame of the page, as needs nobody's leave.
  const byForm = (way, path, enctype, fill) =>
    new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.name = way;
      document.body.append(frame);
      const form = document.createElement("form");
      Object.assign(form, { method: "POST", action: at(way, path), target: way, enctype });
      fill(form);
      document.body.append(form);
      frame.addEventListener("load", () => {
        const text = frame.contentDocument?.body?.textContent;
        if (text) read[way] = text;
        resolve();
      });
      form.submit();
    });

  const input = (form, type, name) => {
    const made = document.createElement("input");
    Object.assign(made, { type, name });
    form.append(made);
    return made;
  };

  await byFetch("fetch-json", "/v1/checks", { method: "POST", body, headers: json });
  await byFetch("fetch-text", "/v1/checks", { method: "POST", body });
  await byFetch("fetch-upload", "/v1/images", { method: "POST", body: upload });
  await byFetch("fetch-get", known, {});
  await byFetch("no-cors-post", "/v1/checks", { method: "POST", body, mode: "no-cors" });
  await byFetch("no-cors-get", known, { mode: "no-cors" });
  navigator.sendBeacon(at("beacon", "/v1/images"), upload);
  await byForm("form-text", "/v1/checks", "text/plain", (form) => {
    input(form, "hidden", body.slice(0, -1) + ',"page":"').value = '"}';
  });
  await byForm("form-upload", "/v1/images", "multipart/form-data", (form) => {
    const files = new DataTransfer();
    files.items.add(image);
    input(form, "file", "image").files = files.files;
  });
  await byElement("img", "img", "src");
  await byElement("script", "script", "src");
  await byElement("style", "link", "href");
  await byElement("iframe", "iframe", "src");
  await new Promise((resolve) => {
    const events = new EventSource(at("events", `${known}/events`));
    events.onmessage = (event) => (read.events = event.data);
    events.onopen = () => (read.events = "open");
    events.onerror = () => {
      events.close();
      resolve();
    };
  });
  await new Promise((resolve) => {
    const socket = new WebSocket(`${api}${known}`.replace("http", "ws"));
    socket.onopen = () => (read.socket = "open");
    socket.onclose = resolve;
  });
  return read;
};
