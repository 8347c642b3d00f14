/** Requests to the server that this page came from. */

import { ProblemShape } from "../wire/http";
import { Malformed, type Shape } from "../wire/shape";

/** The server refused; `code` says why. */
export class ServerRefused extends Error {
  override readonly name = "ServerRefused";
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** The server's time, where this device's clock is wrong. */
    readonly time: number | null = null,
  ) {
    super(detail);
  }
}

/** The server does not answer. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** An answer without a body. */
export const nothing: Shape<null> = { decode: () => null, encode: () => null };

export async function request<T>(
  method: string,
  path: string,
  answer: Shape<T>,
  options: { body?: unknown; token?: string } = {},
): Promise<T> {
  const headers: Record<string, string> = { "x-tidings": "1" };
  if (options.body !== undefined) headers["content-type"] = "application/json";
  if (options.token !== undefined) headers["authorization"] = `Bearer ${options.token}`;
  let response: Response;
  try {
    const body = options.body === undefined ? null : JSON.stringify(options.body);
    response = await fetch(path, { method, headers, body, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    throw new Unreachable(String(error));
  }
  const text = await response.text();
  if (response.ok) return answer.decode(text === "" ? null : JSON.parse(text));
  throw problem(response.status, text);
}

function problem(status: number, text: string): ServerRefused {
  try {
    const { code, detail, time } = ProblemShape.decode(JSON.parse(text));
    return new ServerRefused(status, code, detail, time);
  } catch (error) {
    if (!(error instanceof Malformed) && !(error instanceof SyntaxError)) throw error;
    return new ServerRefused(status, "UNKNOWN", `The server answered ${status}.`);
  }
}
