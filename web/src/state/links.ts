/** Invite links. */

/** Returns the code in an invite link, or in what someone pasted of it; null if there is none. */
export function inviteCode(text: string): string | null {
  const match = /(?:#\/join\/|^)([A-Za-z0-9_-]{16,64})\s*$/.exec(text.trim());
  return match?.[1] ?? null;
}
