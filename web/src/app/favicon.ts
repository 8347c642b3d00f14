/** The icon of the tab, with a dot while something is unread; and the number on an installed app. */

const SIZE = 64;
let drawn: boolean | null = null;

export function drawIcon(unread: number): void {
  if ("setAppBadge" in navigator) {
    // Not every system has badges; the title tells the number as well.
    (unread > 0 ? navigator.setAppBadge(unread) : navigator.clearAppBadge()).catch(() => undefined);
  }
  const dotted = unread > 0;
  if (drawn === dotted) return;
  drawn = dotted;
  const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  if (!link) return;
  if (!dotted) {
    link.href = "/icon.svg";
    return;
  }
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: SIZE, height: SIZE });
    const context = canvas.getContext("2d");
    if (!context || drawn !== true) return;
    context.drawImage(image, 0, 0, SIZE, SIZE);
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--read");
    context.beginPath();
    context.arc(SIZE - 15, 15, 15, 0, 2 * Math.PI);
    context.fill();
    link.href = canvas.toDataURL();
  });
  image.src = "/icon.svg";
}
