/** The published types, as a user's compiler reads them. */
import { execFile } from 'node:child_process'
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { temporaryDirectory } from './program.js'

const root = fileURLToPath(new URL('..', import.meta.url))

const source = `import * as outerloop from 'outerloop'
const optimizer = outerloop.createOptimizer({ name: 'adam', lr: 0.1 })
const state = optimizer.init({ w: { data: Float32Array.of(1, 2), shape: [2] } })
const report: outerloop.UpdateReport = state.update({ w: Float32Array.of(1, 2) }, { scale: 2 })
const run: Promise<outerloop.TrainResult> = outerloop.train({ preset: 'quick' }, { report: true })
const mlp: outerloop.TaskConfigInput = { family: 'mlp', dataset: 'mnist8', hidden: [8], batchSize: 4 }
// @ts-expect-error: a misspelt option.
const wrong: outerloop.TaskConfigInput = { family: 'mlp', dataset: 'mnist8', hiden: [8], batchSize: 4 }
export { mlp, report, run, wrong }
`

/** Module and resolution. With the last, TypeScript does not read \`exports\` of a package.json. */
const modes = [
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
  ['commonjs', 'node10'],
] as const

for (const [version, at, deprecations] of [
  ['5.9', 'test/typescript-5.9/node_modules/typescript', '5.0'],
  ['6', 'node_modules/typescript', '6.0'],
] as const) {
  test(`TypeScript ${version} compiles what uses the package, and the package's own declarations`, async (t) => {
    const directory = await temporaryDirectory(t)
    const modules = join(directory, 'node_modules')
    await mkdir(join(modules, 'outerloop'), { recursive: true })
    for (const file of ['dist', 'package.json', 'index.js', 'index.d.ts']) {
      await cp(join(root, file), join(modules, 'outerloop', file), { recursive: true })
    }
    // A user has zod with the package, and by default no types of Node.
    await symlink(join(root, 'node_modules/zod'), join(modules, 'zod'))
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
    await writeFile(join(directory, 'use.ts'), source)
    const tsc = join(root, at, 'bin/tsc')
    const compile = async ([module, resolution]: (typeof modes)[number]) => {
      const modes = [
        '--module',
        module,
        '--moduleResolution',
        resolution,
        '--ignoreDeprecations',
        deprecations,
      ]
      const checks = ['--strict', '--skipLibCheck', 'false', '--esModuleInterop', '--target', 'es2022']
      const args = [tsc, '--noEmit', '--traceResolution', ...checks, ...modes, 'use.ts']
      const { stdout } = await promisify(execFile)(process.execPath, args, {
        cwd: directory,
        maxBuffer: 2 ** 28,
      }).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? String(error) }))
      const resolved = /Module name 'outerloop' was successfully resolved to '[^']*?(outerloop\/[^']*)'/
      const errors = stdout.split('\n').filter((line) => /error TS\d+/.test(line))
      return { module, errors, resolved: resolved.exec(stdout)?.[1] }
    }
    for (const mode of modes) {
      t.deepEqual(await compile(mode), {
        module: mode[0],
        errors: [],
        resolved: 'outerloop/dist/index.d.ts',
      })
    }
  })
}
