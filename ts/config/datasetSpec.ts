import { z } from 'zod'
import { integer, text } from './fields.js'

/** Names of the data sets that come with the package: 8×8 grey images, 10 classes. */
export const bundledDatasets = Object.freeze(['mnist8', 'fashion8', 'cifar8'] as const)

/** Name under which tasks refer to a data set of one's own. */
export function datasetName() {
  return text().refine((name) => !(bundledDatasets as readonly string[]).includes(name), {
    error: 'another name than that of a bundled data set',
  })
}

/** In which order examples are cut into splits. */
export const exampleOrder = {
  /** Seed of a random order, for files sorted by class. An official test part stays as it is. Default: the file's order. */
  shuffleSeed: integer(0).optional(),
  /** Whether splits may have classes that train lacks. Default false: examples sorted by class are refused. */
  allowUnseenClasses: z.boolean().optional(),
}

/** The label of the first class; default 0. */
export const firstLabel = integer(0, 65535).optional()

/** One of the sets that come with the package. */
const bundled = z.strictObject({ kind: z.literal('bundled'), name: z.enum(bundledDatasets) })

/** MNIST-like files, gzipped or not; without `numClasses`, the largest label tells. */
const idx = z
  .strictObject({
    kind: z.literal('idx'),
    name: datasetName(),
    images: text(),
    labels: text(),
    testImages: text().optional(),
    testLabels: text().optional(),
    numClasses: integer(2, 1000).optional(),
    firstLabel,
    ...exampleOrder,
  })
  .refine((spec) => (spec.testImages === undefined) === (spec.testLabels === undefined), {
    error: 'to have `testImages` and `testLabels` together',
  })

/** CIFAR-10's binary files, joined in the given order. */
const cifar10 = z.strictObject({
  kind: z.literal('cifar10'),
  name: datasetName(),
  files: z.array(text()).min(1),
  testFile: text().optional(),
  ...exampleOrder,
})

/** A column of a table: its name in the header, or its number from 0. */
const column = () => z.union([text(), integer(0)], { error: 'the name of a column or its number, from 0' })

/**
 * A table: `label` is the column of classes, `omitColumns` are left out, and every other column is a number. `skipLines`
 * lines are passed over before the header or the rows. By default there is a header, one of numbers alone is refused, and
 * cells are separated by commas.
 */
const csv = z
  .strictObject({
    kind: z.literal('csv'),
    name: datasetName(),
    path: text(),
    label: column(),
    omitColumns: z.array(column()).optional(),
    skipLines: integer(0, 1_000_000).optional(),
    header: z.boolean().optional(),
    delimiter: z
      .string()
      .regex(/^[^"\r\n]$/)
      .refine((text) => text.charCodeAt(0) < 128, { error: 'to be one ASCII character' })
      .optional(),
    ...exampleOrder,
  })
  .superRefine(({ header, label, omitColumns = [] }, context) => {
    if (header !== false) return
    const columns: [unknown, PropertyKey[]][] = omitColumns.map((name, i) => [name, ['omitColumns', i]])
    for (const [input, path] of [[label, ['label']] as (typeof columns)[0], ...columns]) {
      if (typeof input === 'number') continue
      context.addIssue({ code: 'custom', path, message: 'a column number since `header` is false', input })
    }
  })

/** What data set to load, and from where. Relative paths are relative to the working directory. */
export const datasetSpecSchema = z.discriminatedUnion('kind', [bundled, idx, cifar10, csv])

/** What data set to load, and from where. */
export type DatasetSpec = z.infer<typeof datasetSpecSchema>

/** A data set that the caller of `train` holds in memory, as a run's config names it. */
export const givenDatasetSchema = z.strictObject({
  kind: z.literal('given'),
  name: datasetName(),
  /** Tells its content: a run is resumed with the same. */
  fingerprint: text(),
})

/** A data set that the caller of `train` holds in memory. */
export type GivenDataset = z.infer<typeof givenDatasetSchema>
