/** A small server that stands in for Assay's: each test says what it answers. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach } from "vitest";

export interface Request {
  method: string;
  path: string;
  authorization: string | undefined;
  body: string;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body: unknown;
}

export interface FakeServer {
  url: string;
  requests: Request[];
  close: () => Promise<void>;
}

const running: FakeServer[] = [];

/** Serve on loopback until the test ends; `answer` may take its time. */
export async function serve(
  answer: (request: Request) => Reply | Promise<Reply>,
): Promise<FakeServer> {
  const requests: Request[] = [];
  const server = createServer((incoming, outgoing) => {
    void read(incoming).then(async (request) => {
      requests.push(request);
      const { status = 200, headers, body } = await answer(request);
      const type = "application/json";
      outgoing.writeHead(status, { "Content-Type": type, Connection: "close", ...headers });
      outgoing.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const fake = {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
  running.push(fake);
  return fake;
}

async function read(incoming: IncomingMessage): Promise<Request> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return {
    method: incoming.method ?? "",
    path: incoming.url ?? "",
    authorization: incoming.headers.authorization,
    body: Buffer.concat(chunks).toString("latin1"),
  };
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});
