/** What a terminal would act on, or XML refuse, is written as an escape. */
import test from 'ava'
import { OuterloopError } from '../ts/errors.js'
import { printable, printableName } from '../ts/printable.js'

test('every control character but the line feed is escaped; a name’s line feed too', (t) => {
  for (let code = 0; code < 0xa0; code++) {
    const character = String.fromCharCode(code)
    const isControl = code < 0x20 || code >= 0x7f
    const escaped = `\\u${code.toString(16).padStart(4, '0')}`
    t.is(printable(character), isControl && character !== '\n' ? escaped : character)
    t.is(printableName(character), isControl ? escaped : character)
  }
})

test('text of any language stays as it is', (t) => {
  for (const text of ['Grüße, 世界', 'مرحبا', '🧠 e\u0301', 'a\u00a0b', '−.045 ’'])
    t.is(printableName(text), text)
})

test('half a surrogate pair, noncharacters and reversed text are escaped', (t) => {
  t.is(printable('a\ud83eb\ufffe\u202e\u2028'), 'a\\ud83eb\\ufffe\\u202e\\u2028')
})

test('JSON keeps its value', (t) => {
  const value = { name: '\u009b\u007f\u202e\ud800\u001b', lines: [1, 2] }
  t.deepEqual(JSON.parse(printable(JSON.stringify(value, null, 2))), value)
})

test('messages of errors are printable, whatever name or path is in them', (t) => {
  t.is(new OuterloopError('INVALID_OPTION', 'got \u001b[2J\nx').message, 'got \\u001b[2J\nx')
})
