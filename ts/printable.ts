/**
 * Text that a terminal shows and an XML file may hold: names come from configs and files of others, and may hold sequences
 * that move the cursor, hide a line, or make a figure invalid.
 */

/** Control characters but line feeds, lone surrogates, noncharacters, and what turns the direction of a line. */
const unprintable =
  /[^\P{Cc}\n]|[\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu

/** Every character that a terminal or an XML reader would act on or refuse as `\u001b`; lines stay lines. */
export function printable(text: string): string {
  return text.replace(unprintable, escaped)
}

/** As {@link printable}, for a name inside a line: a line feed is escaped too. */
export function printableName(name: string): string {
  return printable(name).replaceAll('\n', escaped)
}

/** The escape of JSON, so that printable JSON has the value that it had. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
