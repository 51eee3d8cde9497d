/** Makes the bundled 8×8 grey data sets: npx tsx scripts/make-data.ts --mnist DIR --fashion DIR --cifar DIR [--out data] */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'

/** Side of the images made. */
const SIDE = 8

/** How many leading records of each CIFAR-10 file are taken; the rest of a longer file is left out. */
const CIFAR_RECORDS: readonly (readonly [file: string, records: number])[] = [
  ['data_batch_1.bin', 4000],
  ['data_batch_2.bin', 932],
  ['data_batch_3.bin', 932],
  ['data_batch_4.bin', 932],
  ['data_batch_5.bin', 932],
  ['test_batch.bin', 932],
]

/** How many leading training records of MNIST and of Fashion-MNIST are taken. */
const MNIST_RECORDS = 20_000

/** Square images of one byte or one weighted sum per pixel. */
interface Images {
  side: number
  /** What a pixel is a multiple of: a full-scale pixel is 255 × unit. */
  unit: number
  pixels: Uint8Array | Uint32Array
  labels: Uint8Array
}

/**
 * Scales square images to 8×8 by exact area mean, rounding half up once.
 *
 * In units of 1/8 of a source pixel, source pixel i covers [8i, 8i+8) and output pixel o covers [side·o, side·(o+1)),
 * so that all weights are integers and the weights of an output pixel add up to side².
 */
function areaMean({ side, unit, pixels, labels }: Images): Uint8Array {
  const overlap = Array.from({ length: SIDE }, (_, o) =>
    Array.from({ length: side }, (_, i) =>
      Math.max(0, Math.min(SIDE * (i + 1), side * (o + 1)) - Math.max(SIDE * i, side * o)),
    ),
  )
  const divisor = side * side * unit
  const out = new Uint8Array(labels.length * SIDE * SIDE)
  for (let n = 0; n < labels.length; n++) {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        let sum = 0
        for (let i = 0; i < side; i++) {
          const rowWeight = overlap[y]![i]!
          if (rowWeight === 0) continue
          for (let j = 0; j < side; j++) {
            sum += rowWeight * overlap[x]![j]! * pixels[(n * side + i) * side + j]!
          }
        }
        out[(n * SIDE + y) * SIDE + x] = Math.floor((2 * sum + divisor) / (2 * divisor))
      }
    }
  }
  return out
}

/** The first `count` training records of an MNIST-like folder. */
function readMnistLike(dir: string, count: number): Images {
  const images = gunzipSync(readFileSync(join(dir, 'train-images-idx3-ubyte.gz')))
  const labels = gunzipSync(readFileSync(join(dir, 'train-labels-idx1-ubyte.gz')))
  const side = images.readUInt32BE(8)
  if (
    images.readUInt32BE(0) !== 0x803 ||
    labels.readUInt32BE(0) !== 0x801 ||
    images.readUInt32BE(12) !== side
  ) {
    throw new Error(`${dir}: expected IDX files of square images and their labels`)
  }
  const records = Math.min(count, images.readUInt32BE(4), labels.readUInt32BE(4))
  return {
    side,
    unit: 1,
    pixels: images.subarray(16, 16 + records * side * side),
    labels: labels.subarray(8, 8 + records),
  }
}

/** The leading records of a CIFAR-10 folder as grey images: Rec. 601 luma, in thousandths. */
function readCifar(dir: string): Images {
  const side = 32
  const plane = side * side
  const recordBytes = 1 + 3 * plane
  const records = CIFAR_RECORDS.flatMap(([file, count]) => {
    const bytes = readFileSync(join(dir, file))
    if (bytes.length < count * recordBytes) throw new Error(`${join(dir, file)}: expected ${count} records`)
    return Array.from({ length: count }, (_, n) => bytes.subarray(n * recordBytes, (n + 1) * recordBytes))
  })
  const pixels = new Uint32Array(records.length * plane)
  records.forEach((record, n) => {
    for (let i = 0; i < plane; i++) {
      const [red, green, blue] = [record[1 + i]!, record[1 + plane + i]!, record[1 + 2 * plane + i]!]
      pixels[n * plane + i] = 299 * red + 587 * green + 114 * blue
    }
  })
  return { side, unit: 1000, pixels, labels: Uint8Array.from(records, (record) => record[0]!) }
}

/** An IDX file of unsigned bytes. */
function idx(shape: number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header.writeUInt32BE(0x800 + shape.length)
  shape.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis)
  })
  return Buffer.concat([header, data])
}

/** Gzip whose header names neither a time nor an operating system, so that a rerun gives the same bytes. */
function gzip(data: Uint8Array): Buffer {
  const bytes = gzipSync(data, { level: 9 })
  bytes.writeUInt32LE(0, 4)
  bytes[9] = 255
  return bytes
}

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

interface FileRow {
  file: string
  bytes: number
  sha256: string
  contentSha256: string
}

function writeSet(out: string, name: string, images: Images): FileRow[] {
  const numExamples = images.labels.length
  const files: [string, Buffer][] = [
    ['images-idx3', idx([numExamples, SIDE, SIDE], areaMean(images))],
    ['labels-idx1', idx([numExamples], images.labels)],
  ]
  return files.map(([part, content]) => {
    const file = `${name}-${part}-ubyte.gz`
    const packed = gzip(content)
    writeFileSync(join(out, file), packed)
    return { file, bytes: packed.length, sha256: sha256(packed), contentSha256: sha256(content) }
  })
}

const classCounts = ({ labels }: Images) =>
  Array.from({ length: 10 }, (_, k) => labels.filter((label) => label === k).length).join(' ')

function readme(sets: Record<string, Images>, files: FileRow[]): string {
  const { mnist8, fashion8, cifar8 } = sets as Record<'mnist8' | 'fashion8' | 'cifar8', Images>
  const count = (images: Images) => images.labels.length.toLocaleString('en')
  const total = files.reduce((sum, row) => sum + row.bytes, 0).toLocaleString('en')
  return `# Bundled data sets

Three small image classification sets, so that training needs no download. Each has 10 classes and 8×8 grey images, one
byte a pixel, in gzipped IDX files: \`<name>-images-idx3-ubyte.gz\` and \`<name>-labels-idx1-ubyte.gz\`. Written by
\`scripts/make-data.ts\`, this page included; ${total} bytes in all.

| name | examples | per class 0..9 | made from |
|---|---|---|---|
| \`mnist8\` | ${count(mnist8)} | ${classCounts(mnist8)} | the first ${count(mnist8)} training images of MNIST, 28×28 |
| \`fashion8\` | ${count(fashion8)} | ${classCounts(fashion8)} | the first ${count(fashion8)} training images of Fashion-MNIST, 28×28 |
| \`cifar8\` | ${count(cifar8)} | ${classCounts(cifar8)} | ${CIFAR_RECORDS.map(([file, n]) => `${n} of ${file}`).join(', ')} (the first of each file) of CIFAR-10 (binary version), 32×32 colour |

The order is that of the source, which is random in all three. The library cuts the splits by this order: the first tenth is
\`innerValid\`, the next \`outerValid\`, the next \`test\`, the rest \`train\`.

## How they were made
Colour becomes grey by Rec. 601 luma, 0.299 R + 0.587 G + 0.114 B. Each of the 8×8 output pixels is the exact mean over
its area of the source, 3.5×3.5 pixels with fractional weights at the edges for 28×28 and 4×4 for 32×32, in integer
arithmetic, rounded once, half up. From official copies of the three sets:

\`\`\`
npx tsx scripts/make-data.ts --mnist DIR --fashion DIR --cifar DIR
\`\`\`

The folders hold \`train-{images-idx3,labels-idx1}-ubyte.gz\` for the first two and \`data_batch_{1..5}.bin\` and
\`test_batch.bin\` for CIFAR-10. Fashion-MNIST came from the Debian package \`dataset-fashion-mnist\`.

## Origin and licence
- **mnist8**: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", derived from NIST Special
  Databases 1 and 3. Copyright Y. LeCun and C. Cortes; commonly distributed under the Creative Commons
  Attribution-ShareAlike 3.0 licence, and so is this derivative.
- **fashion8**: H. Xiao, K. Rasul, R. Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine
  learning algorithms", arXiv:1708.07747. Copyright 2017 Zalando SE, https://tech.zalando.com; MIT licence, text below.
- **cifar8**: A. Krizhevsky 2009, "Learning multiple layers of features from tiny images", technical report, University of
  Toronto. Its authors state no licence; they ask that the report be cited. The images were collected from the web.

Fashion-MNIST's licence:

> Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
> documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
> rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
> persons to whom the Software is furnished to do so, subject to the following conditions:
>
> The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
> Software.
>
> THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
> WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
> COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
> OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

## Checksums
SHA-256 of each file, and of its unpacked content, which does not depend on the version of zlib.

| file | bytes | sha256 | sha256 unpacked |
|---|---|---|---|
${files.map((row) => `| ${row.file} | ${row.bytes} | ${row.sha256} | ${row.contentSha256} |`).join('\n')}
`
}

const { values } = parseArgs({
  options: {
    mnist: { type: 'string' },
    fashion: { type: 'string' },
    cifar: { type: 'string' },
    out: { type: 'string', default: 'data' },
  },
})
if (!values.mnist || !values.fashion || !values.cifar) {
  console.error('usage: npx tsx scripts/make-data.ts --mnist DIR --fashion DIR --cifar DIR [--out data]')
  process.exit(2)
}
const sets = {
  mnist8: readMnistLike(values.mnist, MNIST_RECORDS),
  fashion8: readMnistLike(values.fashion, MNIST_RECORDS),
  cifar8: readCifar(values.cifar),
}
mkdirSync(values.out, { recursive: true })
const files = Object.entries(sets).flatMap(([name, images]) => writeSet(values.out, name, images))
writeFileSync(join(values.out, 'README.md'), readme(sets, files))
for (const row of files) console.log(`${row.file}: ${row.bytes} bytes`)
