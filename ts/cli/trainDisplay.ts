import type { StepRecord, TrainOptions } from '../outer/train.js'
import { printError } from './output.js'
import { type Progress, startProgress } from './progress.js'
import { formatCount } from './quantities.js'

/** Progress of the outer loop. */
export class TrainDisplay implements Disposable {
  readonly #stream: NodeJS.WriteStream
  #progress: Progress | undefined
  /** It is measured only now and then. */
  #heldOutLoss: number | undefined

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  readonly callbacks: Required<Pick<TrainOptions, 'onStart' | 'onStep' | 'onNote'>> = {
    onStart: ({ outerSteps, fromOuterStep, thetaLength, threads, backend, startLoss }) => {
      const from = fromOuterStep === 0 ? '' : `, from outer step ${fromOuterStep}`
      this.#stream.write(
        `${thetaLength} weights, ${threads} threads, ${backend}${from}; meta-loss at the start ${startLoss.toFixed(3)}\n`,
      )
      this.#progress = startProgress(this.#stream, {
        total: outerSteps,
        unit: 'outer steps',
        from: fromOuterStep,
      })
    },
    onStep: (record) => {
      this.#heldOutLoss = record.heldOutLoss ?? this.#heldOutLoss
      this.#progress?.update(record.outerStep, describeStep(record, this.#heldOutLoss))
    },
    onNote: (message) => (this.#progress ? this.#progress.note(message) : printError(`${message}\n`)),
  };

  [Symbol.dispose](): void {
    this.#progress?.stop()
  }
}

/** Of the last step, but for the held-out loss, which is the last one measured. */
function describeStep(
  { metaLoss, innerStepsPerSecond, numDiverged }: StepRecord,
  heldOutLoss: number | undefined,
): string {
  return [
    `meta-loss ${Number.isFinite(metaLoss) ? metaLoss.toFixed(3) : 'not finite'}`,
    ...(heldOutLoss === undefined ? [] : [`held-out ${heldOutLoss.toFixed(3)}`]),
    `${formatCount(innerStepsPerSecond)} inner steps/s`,
    ...(numDiverged === 0 ? [] : [`${numDiverged} diverged`]),
  ].join('  ')
}
