/// <reference lib="esnext.disposable" preserve="true" />
/** Public API of outerloop. */
export type { InitOptions, RestoreOptions } from './apply/optimizer.js'
export { createOptimizer, loadOptimizer, Optimizer } from './apply/optimizer.js'
export type { UpdateReport } from './apply/optimizerState.js'
export { OptimizerState } from './apply/optimizerState.js'
export type { Grads, Params, ParamTensor } from './apply/tensors.js'
export type { FlushOptions, UpdateLosses, UpdateOptions } from './apply/updateOptions.js'
export type { DatasetSpec } from './config/datasetSpec.js'
export { bundledDatasets } from './config/datasetSpec.js'
export type { DecayOffsetsInput } from './config/decayOffsets.js'
export type { CpuName } from './config/fields.js'
export type {
  LearnedOptimizerConfig,
  OptimizerConfig,
  OptimizerConfigInput,
} from './config/optimizerConfig.js'
export { numOptListConfigs, optList } from './config/optList.js'
export type { CompletePreset, PresetName } from './config/presets.js'
export { presetNames, presets, recipes } from './config/presets.js'
export type { Recipe } from './config/recipe.js'
export type { TaskConfig, TaskConfigInput } from './config/taskConfig.js'
export type { TaskMixture } from './config/taskMixture.js'
export type { TrainConfig, TrainConfigInput } from './config/trainConfig.js'
export { parseTrainConfig } from './config/trainConfig.js'
export type { WeightFormat } from './config/weightFormat.js'
export { describeTask, doctor, initTheta, runCurves, thetaLayout } from './engine.js'
export type { ErrorCode } from './errors.js'
export { OuterloopError } from './errors.js'
export type { EvaluationSubject } from './evaluate/evaluate.js'
export { evaluate } from './evaluate/evaluate.js'
export type { EvaluateOptions } from './evaluate/evaluateOptions.js'
export type { Evaluation } from './evaluate/evaluation.js'
export { formatTable } from './evaluate/table.js'
export type {
  Curve,
  CurveJob,
  DatasetArrays,
  DatasetInfo,
  DecayOffsets,
  Doctor,
  JobOptions,
  LoadOptions,
  Split,
  ThetaLeaf,
} from './native.js'
export { Dataset, datasetFromArrays, loadDataset } from './native.js'
export type { RunLimits, StopReason } from './outer/limits.js'
export type { StepRecord } from './outer/stepRecord.js'
export type { ResumeChanges, StartInfo, TrainOptions, TrainResult } from './outer/train.js'
export { train } from './outer/train.js'
export type { RunOptions } from './outer/trainer.js'
export { Trainer } from './outer/trainer.js'
export type { BestTheta, TrainerFacts, TrainerState } from './outer/trainerState.js'
export { UnsavedRunError } from './outer/unsavedRunError.js'
export { writeReport } from './report/report.js'
export { heldOutTasks } from './tasks/catalogue.js'
export type { TrainedOptimizer } from './weights/thetaFile.js'
export { loadTheta, saveTheta } from './weights/thetaFile.js'
export type { LoadedWeights, LoadWeightsOptions, SaveWeightsOptions } from './weights/weightFile.js'
export { loadWeights, saveWeights } from './weights/weightFile.js'
export type { LeafSummary, WeightInspection } from './weights/weightInspection.js'
export { inspectWeights } from './weights/weightInspection.js'
