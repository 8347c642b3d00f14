/** Codes to scan. */

/** Returns the dark squares of a code as the path of a picture of `size` units. */
export async function qrPath(text: string): Promise<{ path: string; size: number }> {
  const { default: encodeQR } = await import("qr");
  const rows = encodeQR(text, "raw", { ecc: "low", border: 1 });
  const squares = rows.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])));
  return { path: squares.join(""), size: rows.length };
}
