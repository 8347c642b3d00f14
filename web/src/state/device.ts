/** What kind of device this is. */

/** Whether Enter is likely a key of a real keyboard, and the composer may take the focus by itself. */
export function hasKeyboard(): boolean {
  return matchMedia("(hover: hover) and (pointer: fine)").matches;
}
