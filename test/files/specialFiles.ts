/** What may stand where a file is expected. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A place of each kind that is no regular file, by what errors call it. Only Linux has them all. */
export function specialFiles(directory: string): { path: string; got: string }[] {
  const [pipe, folder] = [join(directory, 'pipe'), join(directory, 'folder')]
  execFileSync('mkfifo', [pipe])
  mkdirSync(folder)
  return [
    { path: pipe, got: 'a named pipe' },
    { path: folder, got: 'a directory' },
    { path: '/dev/zero', got: 'a device' },
    { path: '/dev/tty', got: 'a device' },
    { path: '/proc/self/status', got: 'one that the system makes up as it is read' },
  ]
}

/** A file that says it has so many bytes and takes none on the disk. */
export function hugeFile(directory: string, bytes: number): string {
  const path = join(directory, 'huge')
  writeFileSync(path, '')
  truncateSync(path, bytes)
  return path
}

/** Why {@link specialFiles} cannot be made here; undefined if they can. */
export const absent = process.platform === 'linux' ? undefined : 'only Linux has /proc'
