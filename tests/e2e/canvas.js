// What the browser makes of an image: its pixels on a canvas, as base64 of RGBA.
async (address) => {
  const image = new Image();
  image.src = address;
  const error = await image.decode().then(() => null, String);
  if (!image.naturalWidth) return { error, width: 0, height: 0, pixels: "" };
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { colorSpace: "srgb", willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let text = "";
  for (let at = 0; at < data.length; at += 8192)
    text += String.fromCharCode(...data.subarray(at, at + 8192));
  return { error, width, height, pixels: btoa(text) };
};
