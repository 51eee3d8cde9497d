import { readFileSync } from 'node:fs'
import test from 'ava'
import { bundledDatasets, type DatasetSpec, datasetSpecSchema } from '../ts/config/datasetSpec.js'

/** The list on which crates/outerloop-core/src/data/spec.rs is tested as well. */
const fixture: Record<'valid' | 'invalid', { why: string; spec: unknown }[]> = JSON.parse(
  readFileSync(new URL('./fixtures/dataset-specs.json', import.meta.url), 'utf8'),
)

test('every valid spec is accepted unchanged', (t) => {
  t.true(fixture.valid.length >= 10)
  for (const { why, spec } of fixture.valid) {
    const parsed: unknown = datasetSpecSchema.parse(spec)
    t.deepEqual(parsed, spec, why)
  }
})

test('every invalid spec is refused', (t) => {
  t.true(fixture.invalid.length >= 20)
  for (const { why, spec } of fixture.invalid) t.false(datasetSpecSchema.safeParse(spec).success, why)
})

test('a refusal points at the option', (t) => {
  const spec: DatasetSpec = { kind: 'csv', name: 't', path: 't.csv', label: 'y', header: false }
  t.deepEqual(
    datasetSpecSchema.safeParse(spec).error?.issues.map((issue) => issue.path),
    [['label']],
  )
})

test('the fixture covers every bundled set', (t) => {
  const names = fixture.valid.map(({ spec }) => datasetSpecSchema.parse(spec).name)
  for (const name of bundledDatasets) t.true(names.includes(name), name)
})
