/**
 * TFRecord, TensorFlow's file format: records one after another, each with checksums, so that a reader knows a torn one.
 *
 * A record is, in little-endian order: length (uint64), masked CRC-32C of those eight bytes (uint32), data, masked CRC-32C
 * of the data (uint32). Reference: `tensorflow/core/lib/io/record_writer.h` and
 * `tensorboard/summary/writer/record_writer.py`.
 */

/** Puts a record's length and checksums around `data`. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(data.length + 16)
  record.writeBigUInt64LE(BigInt(data.length), 0)
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8)
  record.set(data, 12)
  record.writeUInt32LE(maskedCrc32c(data), 12 + data.length)
  return record
}

/**
 * CRC-32C (Castagnoli), as iSCSI uses it: RFC 3720, 12.1. `zlib.crc32` of Node is the CRC of another polynomial.
 *
 * @returns An integer from 0 to 2³² − 1.
 */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!
  return (crc ^ 0xffffffff) >>> 0
}

/** Rotated and shifted by a constant: the CRC of data that holds CRCs itself would be a weak one. */
function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** What eight more zero bits make of each remainder of eight bits; the polynomial is 0x1edc6f41 with its bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  return crc
})
