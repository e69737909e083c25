// Answers questions of glassine's tests with the libraries of the reference function: sharp and exif-reader.
//
// Reads one JSON question a line from standard input, and writes one JSON answer a line: {"text": ...} or {"error": message}.
//   {"op":"exif","file":F}             what the reference function answers to showExif=true
//   {"op":"block","data":BASE64}       exif-reader alone, on an Exif block with "Exif\0\0" before it
//   {"op":"pixels","file":F}           size, channels and SHA-256 of the decoded pixels of all frames, as stored
//   {"op":"upright","file":F}          the same after the orientation has been followed
//   {"op":"about","file":F}            sharp's metadata, without buffers
//   {"op":"cmyk","file":F,"out":F}     writes file as a CMYK JPEG, which has an Adobe segment
//   {"op":"make","file":F,"out":F,"format":"webp","options":JSON}   writes file in another format with sharp's output options; of
//                                      "frames": n, an animation of n frames; "width": in pixels; "alpha": true, with transparency; "gray": true, black and white; "icc": a profile's name
//   {"op":"versions"}
'use strict';
const crypto = require('node:crypto');
const sharp = require('sharp');
const exifReader = require('exif-reader');

async function pixels(image) {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return `${info.width}x${info.height}x${info.channels} ${crypto.createHash('sha256').update(data).digest('hex')}`;
}

const ops = {
  async exif({ file }) {
    const { exif } = await sharp(file).metadata();
    return JSON.stringify(exif ? exifReader(exif) : {});
  },
  async block({ data }) {
    return JSON.stringify(exifReader(Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), Buffer.from(data, 'base64')])));
  },
  async pixels({ file }) {
    return pixels(sharp(file, { animated: true, failOn: 'none' }));
  },
  async upright({ file }) {
    return pixels(sharp(file, { failOn: 'none' }).autoOrient());
  },
  async about({ file }) {
    const about = await sharp(file, { failOn: 'none' }).metadata();
    return JSON.stringify(about, (key, value) => (value && value.type === 'Buffer' ? value.data.length : value));
  },
  async cmyk({ file, out }) {
    await sharp(file).toColourspace('cmyk').jpeg({ quality: 90 }).toFile(out);
    return out;
  },
  async make({ file, out, format, options }) {
    const { frames = 1, width, alpha, gray, icc, ...output } = JSON.parse(options || '{}');
    const one = async (i) => {
      let image = sharp(file).resize(width).modulate({ hue: 40 * i });
      if (alpha) image = image.ensureAlpha(0.5);
      return image.png().toBuffer();
    };
    let image = sharp(await one(0));
    if (frames > 1) image = sharp(await Promise.all(Array.from({ length: frames }, (_, i) => one(i))), { join: { animated: true } });
    if (gray) image = image.threshold(128).toColourspace('b-w');
    if (icc) image = image.withIccProfile(icc);
    await image.toFormat(format, output).toFile(out);
    return out;
  },
  async versions() {
    return JSON.stringify({ node: process.version, ...sharp.versions, 'exif-reader': require('exif-reader/package.json').version });
  },
};

(async () => {
  let input = '';
  for await (const chunk of process.stdin) input += chunk;
  for (const line of input.split('\n')) {
    if (!line) continue;
    const question = JSON.parse(line);
    let answer;
    try {
      answer = { text: await ops[question.op](question) };
    } catch (err) {
      answer = { error: err.message };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
})();
