/** Frames to bytes and back, in the subprotocol `tidings.v1.msgpack`. */

import { decode, encode } from "@msgpack/msgpack";
import { CommandShape, ServerFrameShape, type Command, type ServerFrame } from "./frames";
import { Malformed } from "./shape";

export const SUBPROTOCOL = "tidings.v1.msgpack";

export function encodeCommand(command: Command): Uint8Array<ArrayBuffer> {
  return encode(CommandShape.encode(command));
}

/** Returns the frame in `data`. Throws Malformed. */
export function decodeServerFrame(data: Uint8Array): ServerFrame {
  return ServerFrameShape.decode(unpackArray(data));
}

/** Returns the command in `data`. Throws Malformed. The vectors are read in both directions. */
export function decodeCommand(data: Uint8Array): Command {
  return CommandShape.decode(unpackArray(data));
}

export function encodeServerFrame(frame: ServerFrame): Uint8Array<ArrayBuffer> {
  return encode(ServerFrameShape.encode(frame));
}

function unpackArray(data: Uint8Array): unknown {
  try {
    return decode(data);
  } catch (error) {
    throw new Malformed(String(error));
  }
}
