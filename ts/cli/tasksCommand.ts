import type { Command } from 'commander'
import { parseWith } from '../config/parse.js'
import { presets } from '../config/presets.js'
import type { TaskConfig } from '../config/taskConfig.js'
import { type TaskMixture, taskMixtureSchema } from '../config/taskMixture.js'
import { catalogue, findTask } from '../tasks/catalogue.js'
import { describeTaskConfig } from './describeTaskConfig.js'
import { numeric } from './optionValues.js'
import { print } from './output.js'
import { sampleOptionsSchema } from './sampleOptions.js'

/** Adds `outerloop tasks list | show | sample`. */
export function addTasksCommand(program: Command): void {
  const tasks = program.command('tasks').description('List, describe and draw inner problems.')
  tasks
    .command('list')
    .description('Print the named tasks. train: preset quick trains on it; heldOut: eval measures on it.')
    .option('--json', 'print a JSON array of { name, role, config }')
    .action(listTasks)
  tasks
    .command('show')
    .description('Print the config of a named task and the shapes of its parameters.')
    .argument('<name>', 'a name that `outerloop tasks list` prints')
    .option('--json', 'print a JSON object { name, role, config, params, numParams }')
    .action(showTask)
  tasks
    .command('sample')
    .description('Draw task configs from a family.')
    .option('--family <name>', 'mlp: classifiers on the bundled images; quadratic (default: mlp)')
    .option('--seed <integer>', 'names the draws, >= 0 (default: 0)', numeric)
    .option('--count <count>', 'number of draws, 1 to 10000 (default: 5)', numeric)
    .option('--json', 'print a JSON array of configs')
    .action(sampleTasks)
}

function listTasks(flags: { json?: boolean }): void {
  if (flags.json) {
    print(`${JSON.stringify(catalogue, null, 2)}\n`)
    return
  }
  const width = Math.max(...catalogue.map(({ name }) => name.length))
  for (const { name, role, config } of catalogue) {
    print(`${name.padEnd(width)}  ${role.padEnd(9)}  ${describeTaskConfig(config)}\n`)
  }
}

async function showTask(name: string, flags: { json?: boolean }): Promise<void> {
  const task = findTask(name)
  // Only now: the other subcommands, and a wrong name, need no engine.
  const { describeTask, loadDatasets } = await import('../native.js')
  const datasets = await loadDatasets(datasetsOf(task.config), [])
  const { params, numParams } = describeTask(task.config, datasets)
  if (flags.json) {
    print(`${JSON.stringify({ ...task, params, numParams }, null, 2)}\n`)
    return
  }
  const shapes = params.map((param) => `  ${param.name} [${param.shape.join(', ')}]`)
  print(
    `${task.name} (${task.role}): ${describeTaskConfig(task.config)}\n` +
      `${JSON.stringify(task.config, null, 2)}\n${numParams} parameters:\n${shapes.join('\n')}\n`,
  )
}

function datasetsOf(config: TaskConfig): string[] {
  return config.family === 'mlp' ? [config.dataset] : []
}

async function sampleTasks(flags: Record<string, unknown>): Promise<void> {
  const { family, seed, count, json } = parseWith(sampleOptionsSchema, flags)
  const { Key, purposes } = await import('../tasks/key.js')
  const { sampleTask } = await import('../tasks/taskSampler.js')
  const key = new Key(seed, purposes.taskSample)
  const mixture = mixtureOf(family)
  const configs: TaskConfig[] = Array.from({ length: count }, (_, i) => sampleTask(mixture, key.fold(i)))
  const lines = configs.map(describeTaskConfig)
  print(json ? `${JSON.stringify(configs, null, 2)}\n` : `${lines.join('\n')}\n`)
}

/** The families as they are without options: MLPs as in preset `paper2020`. */
function mixtureOf(family: 'mlp' | 'quadratic'): TaskMixture {
  return parseWith(taskMixtureSchema, family === 'mlp' ? presets.paper2020.tasks : { family })
}
