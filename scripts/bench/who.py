"""Says of each write and flush in a trace of block_bio_queue with stacks who asks for it. Used by scripts/bench/disk.

Arguments: the numbers of the disk and of the image's device, as "7,0". The trace is on stdin.
"""

import re
import sys

EVENT = re.compile(r" *(\S.*-\d+) +\[.*: block_bio_queue: (\d+,\d+) (\w+) \d+ \+ (\d+) ")
STACK = re.compile(r" *(\S.*-\d+) +\[.*: <stack trace>")
MARKER = re.compile(r".*: tracing_mark_write: (.*)")
# The first whose functions are all in the stack says it.
REASONS = [
    ("image", "ext4_setup_super", "mount: the superblock says that it is in use"),
    ("image", "jbd2_mark_journal_empty", "unmount: the journal is empty"),
    ("image", "ext4_commit_super ext4_put_super", "unmount: the superblock says that it is clean"),
    ("image", "ext4_sync_fs", "unmount: sync, with nothing to commit"),
    ("image", "journal_submit_commit_record", "the journal's commit record"),
    ("image", "jbd2_journal_update_sb_log_tail", "the journal's beginning is noted"),
    ("image", "blkdev_issue_flush jbd2_cleanup_journal_tail", "before the journal's beginning moves"),
    ("image", "jbd2_journal_commit_transaction", "the journal's blocks"),
    ("image", "ext4_do_writepages", "the dump, in its place"),
    ("image", "blkdev_writepages", "metadata, in its place"),
    ("image", "jbd2_log_do_checkpoint", "metadata, in its place"),
    ("disk", "journal_submit_commit_record", "the journal's commit record"),
    ("disk", "jbd2_journal_commit_transaction", "the journal's blocks"),
    ("disk", "loop_configure", "LOOP_CONFIGURE flushes the image's file: its data"),
    ("disk", "blkdev_issue_flush loop_process_work", "a flush of the image: nothing to commit"),
    ("disk", "loop_process_work", "a flush of the image: its file's data"),
    ("disk", "loop_workfn", "a flush of the image: its file's data"),
    ("disk", "__x64_sys_sync_file_range", "harvest: the dump's content"),
    ("disk", "__x64_sys_fsync", "harvest: fsync"),
]


def reason(device, stack):
    for where, functions, words in REASONS:
        if where == device and all(name in stack for name in functions.split()):
            return words
    return " < ".join(stack[-8:][:4]) or "?"


def events(lines, names):
    """[device, flags, sectors, functions], or a marker's text, in order."""
    found, last, stack = [], {}, None
    for line in lines:
        if line.startswith(" => "):
            if stack is not None:
                stack.append(line[4:].strip())
            continue
        stack = None
        if marker := MARKER.match(line):
            found.append(marker[1])
        elif event := EVENT.match(line):
            last[event[1]] = []
            if event[2] in names and ("W" in event[3] or "F" in event[3]):
                found.append((names[event[2]], event[3], int(event[4]), last[event[1]]))
        elif task := STACK.match(line):
            # Another processor may have written something in between.
            stack = last.pop(task[1], None)
    return found


def main():
    names = {sys.argv[1]: "disk", sys.argv[2]: "image"}
    rows, totals, is_attached = [], {}, False
    for event in events(sys.stdin, names):
        if isinstance(event, str):
            rows.append([event])
            continue
        device, flags, sectors, stack = event
        is_attached |= "loop_configure" in stack
        if device == "image" and not is_attached:
            # Another image's, which had the device before.
            continue
        write = flags.lstrip("F")
        # A disk without FUA is flushed after the write; the first F is a flush before it.
        flushes = flags.startswith("F") + ("F" in write and sectors > 0)
        words = reason(device, stack)
        total = totals.setdefault(device, [0, 0, 0])
        for n, more in enumerate((1 if sectors else 0, sectors, flushes)):
            total[n] += more
        last = rows[-1] if rows else None
        if last and len(last) > 1 and last[0] == device and last[4] == words and not flushes and not last[3]:
            last[1], last[2] = last[1] + 1, last[2] + sectors
        else:
            rows.append([device, 1 if sectors else 0, sectors, flushes, words])
    print(f"{'device':8}{'writes':>7}{'sectors':>9}{'flushes':>9}  who, why")
    for row in rows:
        if len(row) == 1:
            print(f"-- {row[0]}")
        else:
            print(f"{row[0]:8}{row[1]:7}{row[2]:9}{row[3]:9}  {row[4]}")
    for device, (writes, sectors, flushes) in totals.items():
        print(f"{device:8}{writes:7}{sectors:9}{flushes:9}  in all")
    print()


main()
