/** A weight file as an argument, and the flags that tell what such a file lacks. */
import { type Command, Option } from 'commander'
import { loadConfigFile } from '../config/configFile.js'
import type { DecayOffsetsInput } from '../config/decayOffsets.js'
import { parseJson } from '../files/jsonFile.js'
import type { LoadWeightsOptions } from '../weights/weightFile.js'

/** Values of {@link addWeightOptions}. */
export interface WeightFlags {
  optimizer?: string
  decayOffsets?: string
}

/** What can be read, for `--help`. */
export const formatsHelp = 'a safetensors file, a theta.state of flax, or a directory of PyLO'

/** Adds the flags that {@link loadOptions} reads. */
export function addWeightOptions(command: Command): Command {
  return command
    .option(
      '--optimizer <json>',
      'the optimizer’s config, or the part that the file does not tell: JSON, or a file that holds it',
    )
    .addOption(decayOffsetsOption())
}

/** The flag that {@link decayOffsets} reads. */
export function decayOffsetsOption(): Option {
  return new Option(
    '--decay-offsets <value>',
    'for a PyLO directory of adafac_mlp, which lacks them: zero, mulo, or JSON {"momentum", "rms", "adafactor"}',
  )
}

/**
 * The flags under the names of the library's options, which checks them.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if JSON is expected and something else came.
 */
export async function loadOptions({
  optimizer,
  decayOffsets: text,
}: WeightFlags): Promise<LoadWeightsOptions> {
  const offsets = decayOffsets(text)
  return {
    ...(optimizer !== undefined && { optimizer: await readObject(optimizer, 'optimizer') }),
    ...(offsets !== undefined && { decayOffsets: offsets }),
  }
}

/** JSON as it was given, or in a file. */
async function readObject(text: string, name: string): Promise<Record<string, unknown>> {
  return text.trimStart().startsWith('{') ? parseObject(text, name) : loadConfigFile(text)
}

/**
 * Offsets by name or as JSON, under the library's name; the library checks them.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if it begins like JSON and is none.
 */
export function decayOffsets(text: string | undefined): DecayOffsetsInput | undefined {
  const value = text?.trimStart().startsWith('{') ? parseObject(text, 'decayOffsets') : text
  return value as DecayOffsetsInput | undefined
}

function parseObject(text: string, name: string): Record<string, unknown> {
  return parseJson(text, `\`${name}\``, 'INVALID_OPTION') as Record<string, unknown>
}
