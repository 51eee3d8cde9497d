/** A reader of event files that shares nothing with the writer: checksums bit by bit, any protocol buffer. */

/** An event, with those of its fields that we write. */
export interface Event {
  wallTime: number
  step: number
  fileVersion?: string
  /** 1 is START. */
  sessionStatus?: number
  scalars?: Record<string, number>
}

/** All events of a file; throws where a checksum is wrong or bytes are left over. */
export function events(file: Buffer): Event[] {
  const found: Event[] = []
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at))
    const end = at + 12 + length
    if (file.readUInt32LE(at + 8) !== maskedCrc(file.subarray(at, at + 8))) throw new Error(`length at ${at}`)
    const data = file.subarray(at + 12, end)
    if (file.readUInt32LE(end) !== maskedCrc(data)) throw new Error(`data at ${at}`)
    found.push(eventOf(data))
    at = end + 4
  }
  return found
}

function eventOf(data: Buffer): Event {
  const message = fields(data)
  const first = (field: number) => message.find(([number]) => number === field)?.[1]
  const [version, summary, session] = [first(3), first(5), first(7)] as (Buffer | undefined)[]
  return {
    wallTime: (first(1) as Buffer).readDoubleLE(),
    step: Number(first(2) ?? 0n),
    ...(version && { fileVersion: version.toString() }),
    ...(session && { sessionStatus: Number(fields(session)[0]![1]) }),
    ...(summary && {
      scalars: Object.fromEntries(fields(summary).map(([, value]) => scalarOf(value as Buffer))),
    }),
  }
}

function scalarOf(value: Buffer): [string, number] {
  const [tag, simpleValue] = fields(value) as [[number, Buffer], [number, Buffer]]
  if (tag[0] !== 1 || simpleValue[0] !== 2) throw new Error(`fields ${tag[0]}, ${simpleValue[0]}`)
  return [tag[1].toString(), simpleValue[1].readFloatLE()]
}

/** Numbers and values of a message's fields: integers, or the bytes of all else. */
function fields(message: Buffer): [field: number, value: Buffer | bigint][] {
  let at = 0
  const bytes = (length: number) => {
    if (at + length > message.length) throw new Error('a field is longer than its message')
    at += length
    return message.subarray(at - length, at)
  }
  const varint = () => {
    let [value, shift] = [0n, 0n]
    for (;;) {
      const byte = bytes(1)[0]!
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
      shift += 7n
    }
  }
  // By wire type.
  const readers: Record<number, () => Buffer | bigint> = {
    0: varint,
    1: () => bytes(8),
    2: () => bytes(Number(varint())),
    5: () => bytes(4),
  }
  const found: [number, Buffer | bigint][] = []
  while (at < message.length) {
    const key = Number(varint())
    const read = readers[key & 7]
    if (read === undefined) throw new Error(`wire type ${key & 7}`)
    found.push([key >>> 3, read()])
  }
  return found
}

/** CRC-32C as a division of polynomials, and the mask in arithmetic without limits. */
function maskedCrc(bytes: Uint8Array): number {
  let remainder = 0xffffffffn
  for (const byte of bytes) {
    remainder ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >> 1n) ^ (remainder & 1n ? 0x82f63b78n : 0n)
  }
  const crc = remainder ^ 0xffffffffn
  return Number(((crc >> 15n) + ((crc << 17n) % 2n ** 32n) + 0xa282ead8n) % 2n ** 32n)
}
