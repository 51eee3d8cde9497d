/** The report of a run. */
import type { TrainConfig } from '../config/trainConfig.js'
import type { StepRecord } from './stepRecord.js'

/** Writes `report.html` and the figures of a run into its directory. */
export async function writeRunReport(
  directory: string,
  { config, records }: { config: TrainConfig; records: readonly StepRecord[] },
): Promise<void> {
  // The figures need vega, which takes longer to load than all else together.
  const { writeReport } = await import('../report/report.js')
  const title = `Meta-training: ${config.preset ?? 'custom config'}`
  await writeReport(directory, { records, config, title })
}
