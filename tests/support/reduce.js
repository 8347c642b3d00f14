// Reduces a picture to few colours by median cut (Heckbert 1982), over colours of 6 bits a channel.
async ([png, colours]) => {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);

  const cells = new Map();
  const keys = new Uint32Array(width * height);
  for (let pixel = 0; pixel < keys.length; pixel += 1) {
    const [red, green, blue] = data.subarray(pixel * 4, pixel * 4 + 3);
    const key = ((red >> 2) << 12) | ((green >> 2) << 6) | (blue >> 2);
    keys[pixel] = key;
    const cell = cells.get(key) ?? { key, count: 0, sums: [0, 0, 0] };
    cell.count += 1;
    cell.sums[0] += red;
    cell.sums[1] += green;
    cell.sums[2] += blue;
    cells.set(key, cell);
  }
  const mean = (cell, channel) => cell.sums[channel] / cell.count;

  const measured = (box) => {
    const spans = [0, 1, 2].map((channel) => {
      const values = box.map((cell) => mean(cell, channel));
      return Math.max(...values) - Math.min(...values);
    });
    const channel = spans.indexOf(Math.max(...spans));
    const count = box.reduce((sum, cell) => sum + cell.count, 0);
    return { box, channel, count, weight: box.length > 1 ? spans[channel] ** 2 * Math.sqrt(count) : 0 };
  };
  const boxes = [measured([...cells.values()])];
  while (boxes.length < colours) {
    const widest = boxes.reduce((best, next) => (next.weight > best.weight ? next : best));
    if (widest.weight === 0) break;
    const sorted = widest.box.toSorted((one, other) => mean(one, widest.channel) - mean(other, widest.channel));
    let at = 0;
    for (let seen = 0; at < sorted.length - 1 && seen + sorted[at].count <= widest.count / 2; at += 1) {
      seen += sorted[at].count;
    }
    at = Math.max(1, at);
    boxes.splice(boxes.indexOf(widest), 1, measured(sorted.slice(0, at)), measured(sorted.slice(at)));
  }

  const palette = new Uint8Array(boxes.length * 3);
  const places = new Map();
  for (const [place, { box, count }] of boxes.entries()) {
    for (const channel of [0, 1, 2]) {
      const sum = box.reduce((total, cell) => total + cell.sums[channel], 0);
      palette[place * 3 + channel] = Math.round(sum / count);
    }
    for (const { key } of box) places.set(key, place);
  }
  const text = (bytes) => {
    let all = "";
    for (let at = 0; at < bytes.length; at += 8192) all += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(all);
  };
  return { width, height, palette: text(palette), pixels: text(Uint8Array.from(keys, (key) => places.get(key))) };
}
