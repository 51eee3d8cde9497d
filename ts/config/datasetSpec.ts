import { z } from 'zod'

/** Names of the data sets that come with the package: 8×8 grey images, 10 classes. */
export const bundledDatasets = Object.freeze(['mnist8', 'fashion8', 'cifar8'] as const)

/** Name under which tasks refer to a data set. */
const name = z.string().min(1)

/** Path of a file. */
const path = z.string().min(1)

/** One of the sets that come with the package. */
const bundled = z.strictObject({ kind: z.literal('bundled'), name: z.enum(bundledDatasets) })

/** MNIST-like files, gzipped or not; without `numClasses`, the largest label plus one. */
const idx = z
  .strictObject({
    kind: z.literal('idx'),
    name,
    images: path,
    labels: path,
    testImages: path.optional(),
    testLabels: path.optional(),
    numClasses: z.int().min(2).max(1000).optional(),
  })
  .refine((spec) => (spec.testImages === undefined) === (spec.testLabels === undefined), {
    error: 'to have `testImages` and `testLabels` together',
  })

/** CIFAR-10's binary files, joined in the given order. */
const cifar10 = z.strictObject({
  kind: z.literal('cifar10'),
  name,
  files: z.array(path).min(1),
  testFile: path.optional(),
})

/**
 * A table: `label` names the column of classes, or gives its number from 0; every other column is a number. By default
 * there is a header and cells are separated by commas. `shuffleSeed` puts the rows into a random order before they are
 * split, for files sorted by class.
 */
const csv = z
  .strictObject({
    kind: z.literal('csv'),
    name,
    path,
    label: z.union([z.string().min(1), z.int().min(0)]),
    header: z.boolean().optional(),
    delimiter: z
      .string()
      .regex(/^[^"\r\n]$/)
      .refine((text) => text.charCodeAt(0) < 128, { error: 'to be one ASCII character' })
      .optional(),
    shuffleSeed: z.int().min(0).optional(),
  })
  .refine((spec) => spec.header !== false || typeof spec.label === 'number', {
    error: 'to be a column number since `header` is false',
    path: ['label'],
  })

/** What data set to load, and from where. Relative paths are relative to the working directory. */
export const datasetSpecSchema = z.discriminatedUnion('kind', [bundled, idx, cifar10, csv])

/** What data set to load, and from where. */
export type DatasetSpec = z.infer<typeof datasetSpecSchema>

/**
 * What the name of a data set should be if it is not free: that of a bundled set means that set, and of two sets with one
 * name, tasks could mean either.
 */
export function wrongName(
  { kind, name }: { kind?: string; name: string },
  others: readonly { name: string }[],
): string | undefined {
  if (others.some((other) => other.name === name)) return 'a name that no other data set has'
  const isTaken = kind !== 'bundled' && (bundledDatasets as readonly string[]).includes(name)
  return isTaken
    ? `another name than those of the bundled data sets (${bundledDatasets.join(', ')})`
    : undefined
}
