/**
 * The three kinds of TensorBoard's `Event` that a run writes, as protocol buffers.
 *
 * The messages are so few that they are put together by hand. Numbers of fields are those of
 * `tensorboard/compat/proto/event.proto` and `summary.proto`; as in proto3, fields come in ascending order and a number
 * that is 0 is left out, so that the bytes are those of the protobuf library.
 */

/** The first event of a file. With version 2, `SessionLog` says what a restart replaces. */
export function fileVersionEvent(wallSeconds: number): Uint8Array {
  return event(wallSeconds, 0, bytesField(3, Buffer.from('brain.Event:2')))
}

/** `SessionLog` with status `START`: whatever earlier files hold of `step` and later steps no longer counts. */
export function sessionStartEvent(step: number, wallSeconds: number): Uint8Array {
  return event(wallSeconds, step, bytesField(7, integerField(1, 1)))
}

/** A `Summary` with one `simple_value`, a float32, for each tag. */
export function summaryEvent(
  step: number,
  scalars: Readonly<Record<string, number>>,
  wallSeconds: number,
): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)])),
  )
  return event(wallSeconds, step, bytesField(5, Buffer.concat(values)))
}

function event(wallSeconds: number, step: number, what: Uint8Array): Uint8Array {
  return Buffer.concat([doubleField(1, wallSeconds), step === 0 ? Buffer.of() : integerField(2, step), what])
}

/** How a field's value is encoded, the lowest three bits of its key. */
const wire = { varint: 0, bits64: 1, bytes: 2, bits32: 5 } as const

function integerField(field: number, value: number): Uint8Array {
  return Buffer.concat([key(field, wire.varint), varint(value)])
}

function doubleField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([key(field, wire.bits64), bytes])
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return Buffer.concat([key(field, wire.bits32), bytes])
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([key(field, wire.bytes), varint(bytes.length), bytes])
}

function key(field: number, type: number): Uint8Array {
  return varint(field * 8 + type)
}

/** Seven bits a byte, the lowest first. Not with shifts: a step may have more than 32 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
