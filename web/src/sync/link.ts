/** The socket: frames out, frames in, commands and their replies. It neither reconnects nor remembers. */

import { decodeServerFrame, encodeCommand, SUBPROTOCOL } from "../wire/codec";
import type { Command, ServerFrame, WireError } from "../wire/frames";
import { Malformed } from "../wire/shape";

/** The connection is gone; `code` is the server's close code, 1006 if there was none. */
export class Disconnected extends Error {
  override readonly name = "Disconnected";
  constructor(readonly code = 1006) {
    super(`disconnected (${code})`);
  }
}

/** A command was refused. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  constructor(readonly error: WireError) {
    super(error.t);
  }
}

type WithId = Extract<Command, { readonly id: number }>;
type Without<T> = T extends WithId ? Omit<T, "id"> : never;
/** A command that has a reply; its id is set by the link. */
export type Question = Without<WithId>;
export type Notice = Exclude<Command, WithId>;

type Replies = Extract<ServerFrame, { readonly id: number | null }>;
export type Event = Exclude<ServerFrame, Replies>;
export type Reply = Exclude<Replies, { readonly t: "refused" }>;

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** How long an answer may take. */
const ANSWER_MS = 20_000;
const CONNECT_MS = 15_000;

export class Link {
  private readonly waiting = new Map<number, Waiting>();
  private arrived: Event[] = [];
  private wake: (() => void) | null = null;
  private number = 0;
  private code: number | null = null;
  private heard = performance.now();

  private constructor(private readonly socket: WebSocket) {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => this.take(new Uint8Array(data));
    socket.onclose = ({ code }) => this.gone(code);
  }

  static connect(url: string): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, SUBPROTOCOL);
      const timer = setTimeout(() => socket.close(), CONNECT_MS);
      socket.onopen = () => (clearTimeout(timer), resolve(new Link(socket)));
      socket.onerror = () => (clearTimeout(timer), reject(new Disconnected()));
    });
  }

  get isOpen(): boolean {
    return this.code === null;
  }

  /** For how many milliseconds nothing has been heard. The server's pings do not show in a browser. */
  get silence(): number {
    return performance.now() - this.heard;
  }

  /** Sends a command that has no reply. Throws Disconnected. */
  tell(command: Notice): void {
    this.send(command);
  }

  /** Sends a command and returns its reply. Throws Refusal, Disconnected. */
  ask(question: Question, within = ANSWER_MS): Promise<Reply> {
    this.number += 1;
    const id = this.number;
    return new Promise((resolve, reject) => {
      this.send({ ...question, id });
      const timer = setTimeout(() => this.cut(), within);
      this.waiting.set(id, {
        resolve: (reply) => (clearTimeout(timer), resolve(reply)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
    });
  }

  /** Returns the events that have arrived, at least one. Throws Disconnected when all were returned. */
  async next(): Promise<Event[]> {
    while (this.arrived.length === 0) {
      if (this.code !== null) throw new Disconnected(this.code);
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    const arrived = this.arrived;
    this.arrived = [];
    return arrived;
  }

  /** Ends the connection. */
  cut(): void {
    this.socket.close();
    this.gone(1006);
  }

  private send(command: Command): void {
    if (this.code !== null || this.socket.readyState !== WebSocket.OPEN) throw new Disconnected(this.code ?? 1006);
    this.socket.send(encodeCommand(command));
  }

  private take(data: Uint8Array): void {
    this.heard = performance.now();
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(data);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.cut();
      return;
    }
    if ("id" in frame) {
      const waiting = this.waiting.get(frame.id ?? -1);
      this.waiting.delete(frame.id ?? -1);
      if (frame.t === "refused") waiting?.reject(new Refusal(frame.error));
      else waiting?.resolve(frame);
    } else {
      this.arrived.push(frame);
      this.wake?.();
    }
  }

  private gone(code: number): void {
    if (this.code !== null) return;
    this.code = code;
    for (const waiting of this.waiting.values()) waiting.reject(new Disconnected(code));
    this.waiting.clear();
    this.wake?.();
  }
}
