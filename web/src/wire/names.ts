/** Words of the protocol that stand in several frames. */

import type { Conversation, Respond } from "./frames";

export type Standing = Conversation["standing"];
export type ConversationKind = Conversation["kind"];
export type Answer = Respond["answer"];
