/** What can lie over the conversations. */
export type Panel = "new" | "invite" | "you" | "about" | "keys";
