/** Where each conversation was left, for as long as the page is open. */

export interface Place {
  /** The topmost message, and its place in the conversation. */
  readonly key: string;
  readonly order: number;
  /** How many pixels of it were above the edge. */
  readonly hidden: number;
}

const places = new Map<string, Place>();

/** Notes the place; null is the end, which needs no note. */
export function remember(conversation: string, place: Place | null): void {
  if (place === null) places.delete(conversation);
  else places.set(conversation, place);
}

export function recall(conversation: string): Place | null {
  return places.get(conversation) ?? null;
}
