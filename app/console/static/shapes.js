// Shapes of a mask on a canvas, opaque where the mask leaves out; canvas from and to PNG, which is bright elsewhere.
window.nominal.shapes = (() => {
  const HALF = 128;
  const last = (list) => list[list.length - 1];
  const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
  const canvas = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
  const wipe = (pen) => pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
  function stripes(pen) {
    const tile = canvas(24, 24), ink = tile.getContext("2d");
    Object.assign(ink, { fillStyle: "#0b1216", strokeStyle: "#4d6a76", lineWidth: 4 });
    ink.fillRect(0, 0, 24, 24);
    for (const x of [-24, 0, 24]) ink.stroke(new Path2D(`M${x - 6} 30L${x + 30} -6`));
    return pen.createPattern(tile, "repeat");
  }
  function fill(pen) {
    pen.fillStyle = stripes(pen);
    pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
  }
  function outline({ tool, points }) {
    const [from, to] = [points[0], last(points)], path = new Path2D();
    if (tool === "rectangle") path.rect(Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y));
    else if (tool === "circle") path.arc(from.x, from.y, apart(from, to), 0, 2 * Math.PI);
    else for (const { x, y } of [from, ...points]) path.lineTo(x, y);
    return path;
  }
  function paint(pen, shape) {
    if (shape.tool === "clear") return wipe(pen);
    if (shape.only) fill(pen);
    pen.globalCompositeOperation = shape.inspect ? "destination-out" : "source-over";
    Object.assign(pen, { fillStyle: stripes(pen), strokeStyle: stripes(pen), lineWidth: shape.size, lineCap: "round", lineJoin: "round" });
    if (shape.size) pen.stroke(outline(shape));
    else pen.fill(outline(shape));
    pen.globalCompositeOperation = "source-over";
  }
  function left(kept) {
    const { data } = kept.getContext("2d").getImageData(0, 0, kept.width, kept.height);
    const bright = new Uint8Array(data.length / 4);
    for (let i = 0; i < bright.length; i += 1) bright[i] = data[4 * i + 3] < HALF ? 255 : 0;
    return bright;
  }
  function png(kept) {
    const made = canvas(kept.width, kept.height), pen = made.getContext("2d");
    const pixels = pen.createImageData(made.width, made.height), bright = left(kept);
    for (let i = 0; i < pixels.data.length; i += 1) pixels.data[i] = i % 4 === 3 ? 255 : bright[i >> 2];
    pen.putImageData(pixels, 0, 0);
    return new Promise((give) => made.toBlob(give, "image/png"));
  }
  function take(pen, picture) {
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, 0, 0, pen.canvas.width, pen.canvas.height);
    const pixels = pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height);
    for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i] < HALF ? 255 : 0;
    pen.putImageData(pixels, 0, 0);
    pen.globalCompositeOperation = "source-in"; // stripes where it is opaque
    fill(pen);
  }
  return { last, apart, canvas, wipe, outline, paint, left, png, take };
})();
